import t from 'tap';
import { isOlder, judgeAgents, type AgentFacts, type AgentWorker } from '../../../src/commands/doctor/agents.js';
import { says, written } from './support.js';

const { config, places, app } = written(`apps:
  - name: shop
    supervisor: { pm2: shop }
    limits: { heap: { restart: 90% }, freeze: { restart: 9s } }
  - { name: api, supervisor: { child: { command: [node, api.js] } } }
  - { name: old, supervisor: { pm2: old }, runtime: inspector }
  - { name: plain, supervisor: { pm2: plain }, runtime: none }
  - { name: ported, supervisor: { child: { command: [sudo, start], listen: "127.0.0.1:3000" } } }
  - { name: unit, supervisor: { systemd: "unit@*.service" }, restart: { ready: { agent: true } } }
  - { name: own, supervisor: { systemd: { unit: own, user: true } } }
  - { name: boxed, supervisor: { docker: boxed } }
  - { name: loose, supervisor: { external: { port: 3000, restart: { signal: SIGTERM } } } }
  - { name: told, supervisor: { external: { port: 3001, restart: { signal: SIGTERM } } }, restart: { ready: { agent: true } } }
`);
const worker = (more: Partial<AgentWorker>): AgentWorker => ({
  worker: '0', up: true, pid: 10, node_version: '22.1.0', agent_version: '1.2.3', uptime_seconds: 60, node: '22.1.0', isInReach: true, ...more,
});
const silent = { node_version: null, agent_version: null };
const pm2 = (text: string) => ({ app: app('shop'), name: 'shop', pids: [10], maxMemoryRestart: null, cronRestart: null, ecosystem: { path: '/srv/e.js', text } });

function judge(name: string, workers: AgentWorker[], more: Partial<AgentFacts> = {}) {
  return judgeAgents({
    apps: config.apps.filter((one) => one.name === name), statuses: { value: new Map([[name, workers]]) }, wardenAgeMs: 60_000,
    version: '1.2.3', agentEntry: '/opt/agent.cjs', socket: { path: '/run/heapwarden/agent.sock', group: null }, pm2: { value: [pm2('node_args: ""')] }, ...more,
  }, places);
}

t.test('one that never reported in', async (t) => {
  const sentence = 'problem  app "shop": runtime is agent, and its agent has never reported in (worker 0, process 10; worker 1, process 11): limits.heap, limits.freeze cannot work [agent_missing]';
  const two = [worker(silent), worker({ ...silent, worker: '1', pid: 11 }), worker({ worker: '2' })];
  says(t, judge('shop', two), [sentence, '         → /srv/e.js:1: node_args: "--require /opt/agent.cjs"']);
  says(t, judge('shop', two, { pm2: { why: 'x' } }), [sentence, '         → in PM2\'s ecosystem file: node_args: "--require /opt/agent.cjs"']);
  says(t, judge('api', [worker(silent)]), [
    'warning  app "api": runtime is agent, and its agent has never reported in (worker 0, process 10): nothing is known of its heap and its event loop [agent_missing]',
    '         → /srv/heapwarden.yml:5: runtime: inspector',
  ]);
  says(t, judge('old', [worker(silent)]), [
    'warning  app "old": runtime is inspector, and it has not been attached to, and the log of heapwarden says why (worker 0, process 10): nothing is known of its heap and its event loop [agent_missing]',
  ]);
});

t.test('what gives it to an app depends on who starts that', async (t) => {
  const fixOf = (name: string, more: Partial<AgentWorker> = {}, group: number | null = null) => {
    const { findings } = judge(name, [worker({ ...silent, ...more })], { socket: { path: '/run/heapwarden/agent.sock', group } });
    return findings.map(({ fix }) => [fix?.file, fix?.text]).flat();
  };
  const orNone = 'or runtime: none, where it is no Node.js app';
  const others = "an app of another user than heapwarden's takes agent_socket_group, too";
  const outOfReach = { isInReach: false };

  t.strictSame(fixOf('api', outOfReach), [null, `have its command pass NODE_OPTIONS and HEAPWARDEN_SOCKET on to Node.js   (${orNone})`]);
  const pass = 'have its command pass NODE_OPTIONS and HEAPWARDEN_SOCKET on to Node.js';
  t.strictSame(fixOf('ported'), [null, pass], 'listen takes the agent: another runtime makes the config invalid');
  t.match(judge('ported', [worker(silent)]).findings, [{ severity: 'problem', message: /supervisor\.child\.listen cannot work$/ }]);

  const start = 'have it started with NODE_OPTIONS=--require=/opt/agent.cjs and HEAPWARDEN_SOCKET=/run/heapwarden/agent.sock in its environment';
  t.strictSame(fixOf('loose'), ['/srv/heapwarden.yml', 'runtime: inspector']);
  t.strictSame(fixOf('loose', outOfReach), [null, `${start}   (${others}; ${orNone})`]);
  t.strictSame(fixOf('loose', outOfReach, 1500), [null, `${start}   (an app of another user than heapwarden's must be in group 1500; ${orNone})`]);
  t.strictSame(fixOf('told'), [null, `${start}   (${others})`], 'and so does restart.ready.agent');

  const mount =
    'mount the folder /run/heapwarden into its containers, set HEAPWARDEN_SOCKET=/run/heapwarden/agent.sock, ' +
    'and preload the agent in the image: NODE_OPTIONS=--require=/path/to/heapwarden/dist/agent/index.cjs';
  t.strictSame(fixOf('boxed'), [null, `${mount}   (${others}; ${orNone})`], 'an agent out of the inspector would not find the socket, either');

  says(t, judge('unit', [worker(silent)], { socket: { path: '/run/hw/agent.sock', group: 1500 } }), [
    'problem  app "unit": runtime is agent, and its agent has never reported in (worker 0, process 10): restart.ready.agent cannot work [agent_missing]',
    '         → systemctl edit unit@.service   (its user must be able to read the agent; then: heapwarden restart unit)',
    '           [Service]',
    '           Environment=NODE_OPTIONS=--require=/opt/agent.cjs',
    '           Environment=HEAPWARDEN_SOCKET=/run/hw/agent.sock',
    '           SupplementaryGroups=1500',
  ]);
  t.strictSame(fixOf('unit')[1]!.split('\n')[0], `systemctl edit unit@.service   (its user must be able to read the agent; ${others}; then: heapwarden restart unit)`);
  t.strictSame(fixOf('own', {}, 1500)[1]!.split('\n'), [
    `systemctl --user edit own.service   (then: heapwarden restart own; ${orNone})`,
    '[Service]',
    'Environment=NODE_OPTIONS=--require=/opt/agent.cjs',
    'Environment=HEAPWARDEN_SOCKET=/run/heapwarden/agent.sock',
  ]);
});

t.test('on a Node.js that is too old for it', async (t) => {
  says(t, judge('api', [worker({ ...silent, node: '16.20.2' })]), [
    'problem  app "api": it runs on Node.js 16.20.2, and the agent needs 18 or newer (worker 0, process 10) [node_too_old]',
    '         → /srv/heapwarden.yml:5: runtime: none   (or a newer Node.js)',
  ]);
  t.match(judge('ported', [worker({ ...silent, node: '16.20.2' })]).findings, [{ fix: { file: null, text: 'start it with Node.js 18 or newer' } }]);
  t.match(judge('api', [worker({ ...silent, node: '18.0.0' })]).findings, [{ code: 'agent_missing' }]);
  t.match(judge('api', [worker({ ...silent, node: null })]).findings, [{ code: 'agent_missing' }]);
});

t.test('older than heapwarden', async (t) => {
  const fix = '         → heapwarden restart shop   (if it is old again, its node_args name another heapwarden\'s agent)';
  says(t, judge('shop', [worker({ agent_version: '1.2.2' })]), [
    'warning  app "shop": its agent is of version 1.2.2, and heapwarden of 1.2.3; it was loaded before heapwarden was updated [agent_old]', fix,
  ]);
  says(t, judge('shop', [worker({ agent_version: null })]), [
    'warning  app "shop": its agent does not tell its version, as older ones do not, and heapwarden of 1.2.3; it was loaded before heapwarden was updated [agent_old]', fix,
  ]);
  says(t, judge('shop', [worker({}), worker({ agent_version: '2.0.0' })]), []);
  const cases: [string | null, string, boolean][] = [
    [null, '0.1.0', true], ['0.1.0', '0.1.0', false], ['0.1.0', '0.1.1', true], ['0.9.9', '0.10.0', true], ['1.0.0', '0.9.9', false],
    ['0.2.0', '0.1.9', false], ['1.0.0-rc.1', '1.0.0', false], ['x', '1.0.0', false],
  ];
  for (const [version, than, older] of cases) t.equal(isOlder(version, than), older, `${version} < ${than}`);
});

t.test('what cannot be told yet, or does not matter', async (t) => {
  const young = ['not checked: the agent of app "shop": it, or heapwarden, has just started; ask again in 15 s'];
  says(t, judge('shop', [worker({ ...silent, uptime_seconds: 14 })]), young);
  says(t, judge('shop', [worker(silent)], { wardenAgeMs: 14_999 }), young);
  t.equal(judge('shop', [worker(silent)], { wardenAgeMs: null }).findings.length, 1, 'a warden of unknown age is no reason');
  says(t, judge('shop', [worker({ ...silent, up: false })]), ['not checked: the agent of app "shop": no process of it runs']);
  says(t, judge('shop', [], { statuses: { why: 'no heapwarden answers' } }), ['not checked: the agents: no heapwarden answers']);
  says(t, judge('plain', [worker(silent)]), []);
});
