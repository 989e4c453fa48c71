import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { childEnvironment } from '../../src/supervisors/child-env.js';

const settings = (env: Record<string, string>, agentEntry: string | null = '/opt/agent.cjs') => {
  return { app: 'shop', config: { command: ['node'], env, instances: 2 }, agentEntry, agentSocket: '/run/hw.sock' };
};

t.test("heapwarden's own, then the config's, then what it must be", (t) => {
  const inherited = { PATH: '/bin', FOO: 'inherited', HEAPWARDEN_APP: 'other', HEAPWARDEN_SOCKET: '/other.sock' };
  t.strictSame(childEnvironment(settings({ FOO: 'configured', HEAPWARDEN_WORKER: '7' }), '1', inherited), {
    PATH: '/bin',
    FOO: 'configured',
    HEAPWARDEN_APP: 'shop',
    HEAPWARDEN_WORKER: '1',
    HEAPWARDEN_SOCKET: '/run/hw.sock',
    NODE_OPTIONS: '--require=/opt/agent.cjs',
  });
  t.equal(inherited.FOO, 'inherited', 'what was inherited is not touched');
  t.end();
});

t.test('without an agent, Node is left alone', (t) => {
  const env = childEnvironment(settings({}, null), '0', { NODE_OPTIONS: '--max-old-space-size=100' });
  t.strictSame(env, { NODE_OPTIONS: '--max-old-space-size=100', HEAPWARDEN_APP: 'shop', HEAPWARDEN_WORKER: '0' });
  t.end();
});

t.test('options that are there already stay', (t) => {
  const options = (configured: Record<string, string>, inherited: NodeJS.ProcessEnv) =>
    childEnvironment(settings(configured), '0', inherited)['NODE_OPTIONS'];
  t.equal(options({}, { NODE_OPTIONS: '--a' }), '--a --require=/opt/agent.cjs');
  t.equal(options({ NODE_OPTIONS: '--b="c d"' }, { NODE_OPTIONS: '--a' }), '--b="c d" --require=/opt/agent.cjs');
  t.equal(options({ NODE_OPTIONS: '' }, { NODE_OPTIONS: '--a' }), '--require=/opt/agent.cjs');
  t.end();
});

t.test('a real Node finds the agent, wherever it lies', (t) => {
  const names = ['plain', 'two words', 'a "quoted" one', "it's", 'back\\slash', '\\"', ' ', 'tab\there', '$HOME', 'é'];
  for (const name of names) {
    const folder = join(t.testdir(), name);
    mkdirSync(folder);
    const [agent, other] = [join(folder, 'agent.cjs'), join(folder, 'other.cjs')];
    writeFileSync(agent, `console.log('agent');`);
    writeFileSync(other, `console.log('other');`);
    const first = childEnvironment(settings({ NODE_OPTIONS: '--stack-trace-limit=7' }, other), '0', {});
    const env = childEnvironment(settings({ NODE_OPTIONS: first['NODE_OPTIONS']! }, agent), '0', {});
    const run = spawnSync(
      '/usr/bin/env', // tap adds itself to the NODE_OPTIONS of whatever is spawned
      ['-i', `NODE_OPTIONS=${env['NODE_OPTIONS']}`, process.execPath, '-p', 'Error.stackTraceLimit'],
      { encoding: 'utf8' },
    );
    t.equal(run.stdout, 'other\nagent\n7\n', `${JSON.stringify(name)} ${run.stderr}`);
  }
  t.end();
});
