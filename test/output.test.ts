import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { LineSplitter, OutputRelay } from '../src/output.js';
import { plainNode, until } from './observe/support.js';
import { killIfThere } from './parts/kill.js';

const LOGGER = fileURLToPath(new URL('./apps/child-logger.mts', import.meta.url));
const loggerArgs = (...args: string[]) => plainNode('--import', 'tsx', LOGGER, ...args);

/** For so long a reader that takes nothing is waited for at the end, and nowhere else. */
const LAST_WORDS_MS = 2000;

interface Seen {
  /** The longest time that the event loop did not turn. */
  longestMs: number;
  /** How long the last words took. */
  lastMs: number;
  heapUsed: number;
}

interface Ran {
  seen: Seen;
  status: number | null;
  tookMs: number;
  /** Numbers of the lines that came, in the order in which they came. */
  lines: number[];
}

/** Every line that comes must be a whole one. A `late` reader takes nothing before the logger has ended. */
async function runLogger(t: Test, args: string[], reader: 'fast' | 'slow' | 'late'): Promise<Ran> {
  const [program, ...rest] = loggerArgs(...args);
  const begun = performance.now();
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on('data', (chunk) => out.push(String(chunk)));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let exitedAt = 0;
  void exited.then(() => (exitedAt = performance.now()));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    err.push(chunk);
    if (reader !== 'slow') return;
    child.stderr.pause();
    setTimeout(() => child.stderr.resume(), 10);
  });
  if (reader === 'late') {
    child.stderr.pause();
    await exited;
    child.stderr.resume();
  }
  await new Promise((resolve) => child.once('close', resolve));
  const lines = err.join('').split('\n').slice(0, -1);
  const numbers = lines.map((line) => Number((JSON.parse(line) as { msg: string }).msg.slice(5)));
  const seen = JSON.parse(out.join('')) as Seen;
  return { seen, status: await exited, tookMs: exitedAt - begun, lines: numbers };
}

t.test('ten thousand lines and an exit: all of them are written', async (t) => {
  for (const how of ['burst', 'spread']) {
    for (const reader of ['fast', 'slow'] as const) {
      const { lines, status } = await runLogger(t, [how, 'flush'], reader);
      t.equal(status, 0);
      t.equal(lines.length, 10_000, `${how}, ${reader} reader`);
      t.ok(lines.every((number, i) => number === i), 'in their order');
    }
  }
});

t.test('without a flush, too, where nothing forces the exit', async (t) => {
  const { lines, status } = await runLogger(t, ['spread'], 'slow');
  t.equal(status, 0, 'the sink does not keep the process');
  t.equal(lines.length, 10_000);
});

t.test('a reader that takes nothing', async (t) => {
  const { seen, lines, status, tookMs } = await runLogger(t, ['flood', 'flush'], 'late');
  t.equal(status, 0);
  t.ok(seen.longestMs < LAST_WORDS_MS, `the loop turned after ${seen.longestMs} ms at most`);
  t.ok(seen.lastMs > 1500 && seen.lastMs < 8000, `the last words were waited for: ${seen.lastMs} ms`);
  t.ok(tookMs < 40_000, `and the process ended after ${tookMs} ms`);
  t.ok(seen.heapUsed < 150e6, `${seen.heapUsed} bytes of heap`);
  t.ok(lines.length > 0 && lines.length < 120_000, `${lines.length} of 160,000 lines: beyond the bound they are lost`);
  t.ok(lines.every((number, i) => number === i), 'of what came, nothing is missing in between');
});

t.test('a pipe that nobody reads does not hold the exit', async (t) => {
  // A pipe between two programs blocks, unlike one that Node has made.
  const script = '{ "$@" 2>&1 >/dev/null; echo $? >"$STATUS_FILE"; } | sleep 60';
  const [file, [program, ...args]] = [join(t.testdir(), 'status'), loggerArgs('spread', 'flush')];
  const options = { env: { ...process.env, STATUS_FILE: file }, stdio: 'ignore', detached: true } as const;
  const child = spawn('sh', ['-c', script, 'sh', program, ...args], options);
  t.teardown(() => killIfThere(-child.pid!));
  const status = await until('the exit', () => existsSync(file) && readFileSync(file, 'utf8'), 15_000);
  t.equal(status, '0\n');
});

t.test('a reader that has gone', async (t) => {
  const [program, ...args] = loggerArgs('spread', 'flush');
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  child.stderr.destroy();
  let out = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  t.equal(await new Promise((resolve) => child.once('close', resolve)), 0, 'EPIPE ends nobody');
  t.ok((JSON.parse(out) as Seen).lastMs < LAST_WORDS_MS);
});

t.test('a full disk', (t) => {
  for (const last of ['flush', 'nothing']) {
    const [program, ...args] = loggerArgs('spread', last);
    const { stdout, status } = spawnSync('sh', ['-c', 'exec "$@" 2>/dev/full', 'sh', program, ...args], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    t.equal(status, 0, 'ENOSPC ends nobody');
    t.ok((JSON.parse(stdout) as Seen).lastMs < LAST_WORDS_MS, last);
  }
  t.end();
});

t.test('a file', (t) => {
  const file = join(t.testdir(), 'log');
  const [program, ...args] = loggerArgs('spread', 'flush');
  const { status } = spawnSync('sh', ['-c', 'exec "$@" 2>"$LOG_FILE"', 'sh', program, ...args], {
    env: { ...process.env, LOG_FILE: file },
  });
  t.equal(status, 0);
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  const messages = new Set(lines.map((line) => (JSON.parse(line) as { msg: string }).msg));
  t.equal(messages.size, 10_000, 'every line, and whole');
  t.end();
});

t.test('lines are cut where they end, wherever the chunks do', (t) => {
  const text = 'one\n\ntwo ü €\n𝄞 three\r\nlast';
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size++) {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    for (let at = 0; at < bytes.length; at += size) splitter.push(bytes.subarray(at, at + size));
    t.strictSame(lines, ['one', '', 'two ü €', '𝄞 three\r']);
    splitter.flush();
    splitter.flush();
    t.strictSame(lines.slice(4), ['last'], 'what is left, once');
  }
  t.end();
});

t.test('a character that never ends is not lost', (t) => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  splitter.push(Buffer.from('half €').subarray(0, -1));
  splitter.flush();
  t.strictSame(lines, ['half \uFFFD']);
  t.end();
});

t.test('a line without end costs no more than a bound', (t) => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (let i = 0; i < 1000; i++) splitter.push(Buffer.alloc(1000, 'x'));
  t.ok(lines.length > 10 && lines.every((line) => line.length <= 66_000), `${lines.length} pieces`);
  splitter.push(Buffer.from('\nnext\n'));
  t.equal(lines.at(-1), 'next');
  t.equal(lines.join('').length, 1_000_004);
  t.end();
});

t.test('what several workers write does not mix', (t) => {
  const written: string[] = [];
  const relay = new OutputRelay((stream, text) => void written.push(`${stream} ${text}`), { named: true });
  relay.push('shop', '0', 'stdout', Buffer.from('a1'));
  relay.push('shop', '1', 'stdout', Buffer.from('b1\nb2'));
  relay.push('shop', '0', 'stderr', Buffer.from('oh\n'));
  relay.push('mail', '0', 'stdout', Buffer.from('c1\n'));
  relay.push('shop', '0', 'stdout', Buffer.from(' a1\na2\n'));
  t.strictSame(written.splice(0), [
    'stdout shop/1 | b1\n',
    'stderr shop/0 | oh\n',
    'stdout mail/0 | c1\n',
    'stdout shop/0 | a1 a1\n',
    'stdout shop/0 | a2\n',
  ]);
  relay.close();
  t.strictSame(written.splice(0), ['stdout shop/1 | b2\n']);
  relay.close();
  t.strictSame(written, []);
  t.end();
});

t.test('for programs that read it, lines are passed on as they are', (t) => {
  const written: string[] = [];
  const relay = new OutputRelay((stream, text) => void written.push(`${stream} ${text}`), { named: false });
  relay.push('shop', '0', 'stdout', Buffer.from('{"a":1}\n{"b"'));
  relay.push('shop', '0', 'stdout', Buffer.from(':2}\n'));
  t.strictSame(written, ['stdout {"a":1}\n', 'stdout {"b":2}\n']);
  t.end();
});
