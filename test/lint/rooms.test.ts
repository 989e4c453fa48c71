import t from 'tap';
import { wrongImports } from './rooms.js';

const wrong = (file: string, text: string) => wrongImports(new Map([[file, text]]));

t.test('each way to import is seen, at its line', async (t) => {
  const from = (line: number) => [`src/config/a.ts:${line}: config may not import from act, which stands above it`];
  const ways: [string, number][] = [
    ["import { Journal } from '../act/journal.js';", 1],
    ["import type { Incident } from '../act/incident.js';", 1],
    ["import * as act from '../act/journal.js';", 1],
    ["import journal from '../act/journal.js';", 1],
    ["import '../act/journal.js';", 1],
    ['import { Journal } from "../act/journal.js";', 1],
    ["/** About. */\n\nimport {\n  Journal,\n  parseJournal,\n} from '../act/journal.js';", 6],
    ["export { Journal } from '../act/journal.js';", 1],
    ["export * from '../act/journal.js';", 1],
    ["export type { Incident } from '../act/incident.js';", 1],
    ["const { Journal } = await import('../act/journal.js');", 1],
    ["const x = 1;\ntype J = typeof import('../act/journal.js');", 2],
    ["import journal = require('../act/journal.cjs');", 1],
    ["const journal = require('../act/journal.cjs');", 1],
    ["import { a } from '../errors.js';\nimport { b } from '../act/b.js';", 2],
    ["import { b } from './../config/../act/b.js';", 1],
  ];
  for (const [text, line] of ways) t.strictSame(wrong('config/a.ts', text), from(line), text);
});

t.test('all that is wrong, not the first of it', async (t) => {
  const files = new Map([
    ['observe/hub.ts', "import { a } from '../decide/a.js';\nimport { b } from '../http/b.js';"],
    ['units.ts', "import { c } from './config/c.js';"],
  ]);
  t.strictSame(wrongImports(files), [
    'src/observe/hub.ts:1: observe may not import from decide, which stands above it',
    'src/observe/hub.ts:2: observe may not import from http, which stands above it',
    'src/units.ts:1: units.ts may not import from config, which stands above it',
  ]);
});

t.test('imports run one way, through every storey of the house', async (t) => {
  const house = [
    'errors.ts', 'config', 'supervisors', 'observe', 'decide', 'act', 'publish', 'http', 'warden.ts', 'commands',
    'cli.ts',
  ];
  const fileOf = (room: string) => (room.endsWith('.ts') ? room : `${room}/file.ts`);
  const pathTo = (from: string, to: string) =>
    `${from.endsWith('.ts') ? './' : '../'}${fileOf(to).replace(/\.ts$/, '.js')}`;
  for (const [i, lower] of house.entries()) {
    for (const higher of house.slice(i + 1)) {
      t.equal(wrong(fileOf(lower), `import '${pathTo(lower, higher)}';`).length, 1, `${lower} from ${higher}`);
      t.strictSame(wrong(fileOf(higher), `import '${pathTo(higher, lower)}';`), [], `${higher} from ${lower}`);
    }
  }
  t.strictSame(wrong('http/a.ts', "import '../web/b.js';"), [], 'side by side');
  t.equal(wrong('web/a.ts', "import '../monitor/b.js';").length, 1, 'but for these two');
  t.equal(wrong('monitor/a.ts', "import '../web/b.js';").length, 1);
});

t.test('the agent imports node: and its own files, and nothing else', async (t) => {
  const only = 'src/agent/a.cts:1: the agent imports nothing but node: and its own files, not';
  const cases: [string, string[]][] = [
    ["import { a } from './b.cjs';", []],
    ["import net from 'node:net';", []],
    ["import('node:net');", []],
    ["import net from 'net';", [`${only} net`]],
    ["import pino from 'pino';", [`${only} pino`]],
    ["const pino = require('pino');", [`${only} pino`]],
    ["await import('@scope/pkg/deep');", [`${only} @scope/pkg/deep`]],
    ["export * from 'pino';", [`${only} pino`]],
    ["import { formatBytes } from '../units.js';", [`${only} units.ts`]],
    ["import type { Log } from '../log.js';", [`${only} log.ts`]],
    ["import { hub } from '../observe/hub.js';", [`${only} observe`]],
  ];
  for (const [text, problems] of cases) t.strictSame(wrong('agent/a.cts', text), problems, text);
  t.strictSame(wrong('observe/a.ts', "import type { HelloFrame } from '../agent/protocol.cjs';"), []);
});

t.test('a room that is not in the house', async (t) => {
  t.strictSame(wrong('utils.ts', ''), ['src/utils.ts: "utils.ts" is no room of the house']);
  t.strictSame(wrong('helpers/a.ts', ''), ['src/helpers/a.ts: "helpers" is no room of the house']);
});

t.test("packages, and what only looks like an import, are nobody's business here", async (t) => {
  const text = [
    "import Fastify from 'fastify';",
    "import { join } from 'node:path';",
    "const from = '../act/journal.js';",
    "const sentence = `it came from '../act/journal.js'`;",
    "export const important = 'x'; // from nowhere",
  ].join('\n');
  t.strictSame(wrong('config/a.ts', text), []);
});
