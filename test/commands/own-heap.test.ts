/** heapwarden's own heap: when it is limited, and that it is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { OLD_SPACE_MIB, flagFor, type Start } from '../../src/commands/own-heap.js';
import { CLI, WardenProcess } from '../integration/warden-process.js';
import { needParts } from '../parts/index.js';

const start = (more: Partial<Start> = {}): Start =>
  ({ args: ['serve'], execArgv: [], nodeOptions: '', heapLimit: 4e9, isProgram: true, hasChannel: false, ...more });
const FLAG = `--max-old-space-size=${OLD_SPACE_MIB}`;

t.test('where it is needed', async (t) => {
  t.equal(flagFor(start()), FLAG);
  t.equal(flagFor(start({ args: ['relay', '--log.level=warn'] })), FLAG);
  t.equal(flagFor(start({ args: ['status'] })), null, 'over in a moment');
  t.equal(flagFor(start({ args: [] })), null);
  t.equal(flagFor(start({ heapLimit: 128 * 2 ** 20 })), null, 'as in a small container');
  t.equal(flagFor(start({ hasChannel: true })), null, 'PM2 would lose it');
  t.equal(flagFor(start({ isProgram: false })), null, 'the demo would be started over, with arguments that are not its own');
});

t.test('not where somebody has said otherwise', async (t) => {
  const words = ['--max-old-space-size=1000', '--max_old_space_size=1000', '--max-heap-size=1000', '--max-old-space-size-percentage=10'];
  for (const word of words) {
    t.equal(flagFor(start({ execArgv: ['--enable-source-maps', word] })), null, word);
    t.equal(flagFor(start({ nodeOptions: `--enable-source-maps ${word}` })), null, `NODE_OPTIONS: ${word}`);
  }
  t.equal(flagFor(start({ nodeOptions: '--require=/srv/no-max-old-space-size.cjs' })), FLAG, 'a name that holds it');
});

t.test('the program itself', async (t) => {
  const parts = needParts(t, 'node-20', 'node-24');
  if (!parts) return;
  const limits = async (runner: string[]) => {
    const warden = await WardenProcess.start(t, { config: '', runner });
    await warden.ready();
    const command = readFileSync(`/proc/${warden.child.pid}/cmdline`, 'utf8').split('\0');
    return { given: command.filter((word) => word.startsWith('--max')), served: await warden.metric('heapwarden_agents_connected') };
  };
  t.same(await limits([parts['node-24']]), { given: [FLAG], served: 0 }, 'the same process, limited');
  t.same(await limits([parts['node-24'], '--max-old-space-size=300']), { given: ['--max-old-space-size=300'], served: 0 });
  const dir = t.testdir({ 'imports.mjs': `process.argv.splice(2, 1);\nawait import(${JSON.stringify(CLI)});\n` });
  t.same(await limits([parts['node-24'], join(dir, 'imports.mjs')]), { given: [], served: 0 }, 'not a program that imports it');
  t.same(await limits([parts['node-20']]), { given: [], served: 0 }, 'this Node cannot; it serves all the same');
});
