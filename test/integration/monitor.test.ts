/** The monitor as a person meets it: the built program, in a real terminal, with a real warden. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needParts } from '../parts/index.js';
import { runPlain } from './plain-node.js';
import { Terminal } from './terminal.js';
import { waitFor } from './wait.js';
import { CLI, WardenProcess, appFile } from './warden-process.js';

const SMALL = { columns: 80, rows: 24 };
const LARGE = { columns: 200, rows: 50 };
const HOSTILE = '\u202eevil\u009b2J 中文 💣👩‍👩‍👧 e\u0301';

/** Of the shell, that waits for the next line. */
const PROMPT = /\n\$\n*$/;

const command = (env: string, rest = '') =>
  `supervisor: { child: { command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(appFile('leaks.mjs'))}], env: { ${env} }${rest} } }`;
const config = `
sample_interval: 250ms
apps:
  - name: shop
    ${command('LEAK_MB: "1"', ', instances: 2')}
    limits: { rss: { warning: 800MB, restart: 900MB } }
  - name: ${JSON.stringify(HOSTILE)}
    ${command('LEAK_MB: "1"')}
    limits: { rss: { warning: 2MB, restart: 900MB, for: 0s } }
`;

/** Columns of the line that divides the screen. */
const ruleOf = (lines: readonly string[]): number => lines.find((line) => line.startsWith('─ '))?.length ?? 0;

const monitorAt = (warden: WardenProcess) => `${process.execPath} ${CLI} monitor --url=${warden.url}`;

async function started(t: Parameters<typeof needParts>[0], tmux: string, size: typeof SMALL) {
  const warden = await WardenProcess.start(t, { config });
  await warden.ready();
  const terminal = new Terminal(t, tmux, size);
  const before = await terminal.settings();
  terminal.type('clear; echo "what was here"');
  await terminal.shows(/^what was here/m);
  return { warden, terminal, before };
}

async function isRestored(t: Parameters<typeof needParts>[0], terminal: Terminal, before: string, status: number): Promise<void> {
  await terminal.shows(/^what was here/m);
  await waitFor('the normal screen, with cursor and wrapping', () => terminal.modes() === '1 0 1');
  await terminal.shows(PROMPT);
  terminal.type('echo status=$?');
  t.match(await terminal.shows(/status=\d/), new RegExp(`status=${status}$`, 'm'));
  t.equal(await terminal.settings(), before, 'the line is as it was');
}

for (const [size, other] of [[SMALL, LARGE], [LARGE, SMALL]] as const) {
  t.test(`in a terminal of ${size.columns}×${size.rows}`, async (t) => {
    const parts = needParts(t, 'tmux');
    if (!parts) return;
    const { warden, terminal, before } = await started(t, parts.tmux, size);
    terminal.type(monitorAt(warden));
    const first = (await terminal.shows(/shop\/0 .* (\d+ s|\dm)$[^]* q quit/m)).split('\n');
    t.match(first[0], / heapwarden \d.* at http:\/\/127\.0\.0\.1:\d+ +live {2}\d\d:\d\d:\d\d$/);
    t.equal(ruleOf(first), size.columns, 'to the last column');
    await terminal.shows(/3 of 3 workers up, 1 warning +state (?:saved \d+ s ago|not saved yet)/);
    t.equal(terminal.modes(), '0 1 0', 'no cursor, the alternate screen, no wrapping');
    t.match(first[3], /^▸shop\/0 +normal /);
    t.match(first.join('\n'), /^ evil.2J.*\/0 warning rss/mu, 'a name moves nothing');
    t.match(terminal.colors(), /\x1b\[33m *warning rss/);

    terminal.keys('j');
    await terminal.shows(/^▸shop\/1 /m);
    terminal.keys('Down');
    await terminal.shows(/^▸evil/m);
    terminal.keys('k');
    terminal.keys('Up');
    await terminal.shows(/^▸shop\/0 [^]*─ shop\/0 · normal · pid \d+/m);
    terminal.keys('t');
    await terminal.shows(/24 hours ago +now/);
    terminal.keys('?');
    await terminal.shows(/^ q Ctrl-C +quit/m);
    terminal.keys('?');
    await terminal.shows(/^▸shop\/0 /m);

    terminal.resize(other);
    const resized = (await waitFor('the other size', () => {
      const lines = terminal.screen().split('\n');
      return ruleOf(lines) === other.columns && / \? help/.test(lines[other.rows - 1] ?? '') && lines;
    }));
    t.match(resized[3], /^▸shop\/0 /);
    terminal.resize({ columns: 20, rows: 5 });
    await terminal.shows(/^ heapwarden .*\n.*workers up/);
    terminal.resize(size);
    await terminal.shows(/q quit .*help/);

    await warden.stop('SIGKILL');
    await terminal.shows(/no heapwarden answers at .*ECONNREFUSED|has ended the connection|other side closed|terminated/);
    await terminal.shows(/trying again/);
    t.notMatch(terminal.screen().split('\n')[0], /live/);
    t.match(terminal.screen(), /^▸shop\/0 /m, 'what was known stays');
    const again = await WardenProcess.start(t, { config, dir: warden.dir, port: warden.port });
    await again.ready();
    await terminal.shows(/^ heapwarden .* live /);
    await waitFor('no trouble any more', () => !terminal.screen().includes('trying again'));

    terminal.keys('q');
    await isRestored(t, terminal, before, 0);
  });
}

t.test('however it ends, the terminal is as it was', async (t) => {
  const parts = needParts(t, 'tmux');
  if (!parts) return;
  const { warden, terminal, before } = await started(t, parts.tmux, SMALL);
  let runs = 0;
  const start = async (prefix = '') => {
    runs += 1;
    terminal.type(`clear; echo "what was here"; echo "before run ${runs}"`);
    await terminal.shows(new RegExp(`^before run ${runs}$`, 'm')); // what is typed ahead would be shown too early
    terminal.type(`${prefix} sh -c 'echo $$ > ${warden.dir}/pid; exec ${monitorAt(warden)}'`);
    await terminal.shows(/^▸shop\/0 /m);
    return Number(await waitFor('its pid', async () => (await import('node:fs/promises')).readFile(join(warden.dir, 'pid'), 'utf8').catch(() => null)));
  };
  await start();
  terminal.keys('C-c');
  await isRestored(t, terminal, before, 0);
  for (const [signal, status] of [['SIGTERM', 143], ['SIGINT', 130], ['SIGHUP', 129]] as const) {
    process.kill(await start(), signal);
    await isRestored(t, terminal, before, status);
  }
  writeFileSync(join(warden.dir, 'boom.cjs'), 'process.on("SIGUSR2", () => { throw new Error("boom") });');
  process.kill(await start(`NODE_OPTIONS=--require=${warden.dir}/boom.cjs`), 'SIGUSR2');
  await terminal.shows(/^Error: boom[^]*\n\$\n*$/m); // why it failed is to be read
  t.equal(terminal.modes(), '1 0 1');
  terminal.type('clear; echo "what was here"');
  await isRestored(t, terminal, before, 0);

  await start();
  terminal.keys('C-z');
  await terminal.shows(/^what was here[^]*Stopped/m);
  t.equal(terminal.modes(), '1 0 1');
  terminal.type('fg');
  await terminal.shows(/^▸shop\/0 /m);
  t.equal(terminal.modes(), '0 1 0');
  terminal.keys('q');
  await isRestored(t, terminal, before, 0);
});

t.test('without colours, in ASCII, and where the cursor cannot be moved', async (t) => {
  const parts = needParts(t, 'tmux');
  if (!parts) return;
  const { warden, terminal } = await started(t, parts.tmux, SMALL);
  terminal.type(`NO_COLOR=1 LC_ALL=C ${monitorAt(warden)}`);
  const screen = await terminal.shows(/^>shop\/0 /m);
  t.notMatch(screen, /\P{ASCII}/u);
  t.notMatch(terminal.colors(), /\x1b\[[\d;]*[1-9][\d;]*m/);
  terminal.keys('q');
  await terminal.shows(/^what was here/m);
  terminal.type(`TERM=dumb ${monitorAt(warden)}`);
  await terminal.shows(/^WORKER +STATE[^]*^\$ $|^shop\/1 [^]*\n\$/m);
  t.equal(terminal.modes(), '1 0 1');
});

t.test('in a pipe and for scripts', async (t) => {
  const warden = await WardenProcess.start(t, { config });
  await warden.ready();
  const run = (...args: string[]) => runPlain([CLI, ...args, `--url=${warden.url}`], { env: { LC_ALL: 'C.UTF-8' } });
  for (const args of [['monitor'], ['monitor', '--once']]) {
    const { code, out, err } = await run(...args);
    t.match({ code, err }, { code: 0, err: '' });
    t.match(out, /^heapwarden \d\S+ at http:\S+: 3 of 3 workers up, 1 warning; state /);
    t.match(out, /^shop\/1 +normal .* 900 MB /m);
    t.notMatch(out, /[^\P{Cc}\n]/u, 'no control characters');
  }
  const told = JSON.parse((await run('monitor', '--json')).out) as Record<string, unknown>;
  t.match(told, { status: { state_writable: true }, apps: [{ app: 'shop', workers: [{ up: true }, { up: true }] }, {}], advice: Array });
  t.strictSame(told['incidents'], []);

  const status = await run('status');
  t.match(status, { code: 1, out: /^heapwarden .*: not all is normal; 3 of 3 workers up, 1 warning\n {2}evil.*\/0: warning rss; memory .* of 900 MB/ });
  const json = await run('status', '--json');
  t.match(json.code, 1);
  const judged = JSON.parse(json.out) as { troubles: unknown };
  t.strictSame(judged.troubles, []);
  t.match(judged, { ok: false, wrong: [{ worker: '0', level: 'warning' }], status: { state_writable: true } });
  t.match(await run('apps'), { code: 0, out: /^WORKER .*RESTARTS LEFT\nshop\/0 +normal .* child +5 of 5\nshop\/1 / });
  const listed = JSON.parse((await run('apps', '--json')).out) as { app: string }[];
  t.strictSame(listed.map(({ app }) => app), ['shop', HOSTILE]);

  await warden.stop();
  t.match(await run('status'), { code: 3, out: '', err: /^heapwarden: no heapwarden answers at .*ECONNREFUSED.*Is it running\? Name its address with --url\n$/ });
  const none = await run('status', '--json');
  t.match({ code: none.code, body: JSON.parse(none.out) as unknown }, { code: 3, body: { ok: false, error: /^no heapwarden answers/ } });
  t.match(await run('monitor', '--once'), { code: 1, err: /no heapwarden answers/ });
  t.match(await run('apps'), { code: 1, err: /no heapwarden answers/ });
  t.match(await run('status', '--loud'), { code: 2 });
});

t.test('all is normal: exit status 0', async (t) => {
  const warden = await WardenProcess.start(t, { config: config.replace('warning: 2MB', 'warning: 800MB') });
  await warden.ready();
  t.match(await runPlain([CLI, 'status', `--url=${warden.url}`]), { code: 0, out: /: all is normal; 3 of 3 workers up\n$/ });
});
