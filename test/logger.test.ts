import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { LogFields } from '../src/log.js';
import { LOG_LEVELS, createLog, type LogFormat, type LogLevel } from '../src/logger.js';

function logIn(format: LogFormat, level: LogLevel = 'debug') {
  const lines: string[] = [];
  return { log: createLog(format, level, { write: (line) => void lines.push(line) }), lines };
}

/** One line, without its time. */
function written(t: Test, format: LogFormat, message: string, fields?: LogFields): string {
  const { log, lines } = logIn(format);
  log.info(message, fields);
  t.equal(lines.length, 1, 'one write a line');
  return lines[0]!.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/, 'TIME').replace(/^\d\d:\d\d:\d\d/, 'TIME');
}

t.test('json', (t) => {
  const line = written(t, 'json', 'restarted "shop"', { app: 'shop', bytes: 5, ok: true, none: null, gone: undefined });
  t.equal(
    line,
    '{"level":"info","ts":"TIME","app":"shop","bytes":5,"ok":true,"none":null,"msg":"restarted \\"shop\\""}\n',
  );
  t.equal(written(t, 'json', 'plain'), '{"level":"info","ts":"TIME","msg":"plain"}\n');
  t.end();
});

t.test('logfmt', (t) => {
  const texts = { app: 'my shop', quote: 'a"b', equal: 'a=b', slash: 'a\\b', empty: '' };
  const fields = { ...texts, none: null, list: [1, 'x'], n: 1.5 };
  t.equal(
    written(t, 'logfmt', 'two words', fields),
    'ts=TIME level=info msg="two words" app="my shop" quote="a\\"b" equal="a=b" slash="a\\\\b" empty="" none=null ' +
      'list="[1,\\"x\\"]" n=1.5\n',
  );
  t.equal(written(t, 'logfmt', 'two\nlines', { x: 'a\tb' }), 'ts=TIME level=info msg="two\\nlines" x="a\\tb"\n');
  const line = written(t, 'logfmt', '\x1b[2J', { x: '\x9b2J\x7f' });
  t.equal(line, 'ts=TIME level=info msg="\\u001b[2J" x="\\u009b2J\\u007f"\n');
  t.end();
});

t.test('text is for people: the message alone', (t) => {
  t.equal(written(t, 'text', 'shop/0: memory 5 MB', { app: 'shop', bytes: 5 }), 'TIME INFO  shop/0: memory 5 MB\n');
  t.equal(written(t, 'text', 'a\n12:00:00 INFO  b\r\x1b[2J\x9bc'), 'TIME INFO  a\n  12:00:00 INFO  b??[2J?c\n');
  const { log, lines } = logIn('text');
  const before = new Date().toTimeString().slice(0, 8);
  log.warn('oh');
  const after = new Date().toTimeString().slice(0, 8);
  t.ok([before, after].some((time) => lines[0] === `${time} WARN  oh\n`), 'in local time');
  t.end();
});

t.test('a message is taken as it is', (t) => {
  const messages = ['%s %d %j %%', '', 'ü €', '{"a":1}', 'a\u2028b', '\ud800', '\x1b[31m', 'x'.repeat(10_000)];
  for (const [i, message] of messages.entries()) {
    const line = written(t, 'json', message, { app: 'shop' });
    t.equal((JSON.parse(line) as { msg: string }).msg, message, `message ${i}`);
  }
  t.end();
});

t.test('a field that is called like a part of the line', (t) => {
  const fields = { level: 'critical', ts: 0, msg: 'mine', time: 5, pid: 7, hostname: 'h', name: 'n', err: 'e', v: 1 };
  const others = { time: 5, pid: 7, hostname: 'h', name: 'n', err: 'e', v: 1 };
  const json = written(t, 'json', 'a message', fields);
  t.strictSame(JSON.parse(json), {
    level: 'info', ts: 'TIME', msg: 'a message', level_: 'critical', ts_: 0, msg_: 'mine', ...others,
  });
  const keys = [...json.matchAll(/"(\w+)":/g)].map(([, key]) => key);
  t.equal(new Set(keys).size, keys.length, 'no key twice');
  t.equal(
    written(t, 'logfmt', 'a message', fields),
    'ts=TIME level=info msg="a message" level_=critical ts_=0 msg_=mine time=5 pid=7 hostname=h name=n err=e v=1\n',
  );
  t.equal(written(t, 'text', 'a message', fields), 'TIME INFO  a message\n');
  t.equal(fields.level, 'critical', "the caller's object is not touched");
  t.end();
});

t.test('fields that cannot be written do not keep the line from being', (t) => {
  const circle: LogFields = {};
  circle['self'] = circle;
  const hostile = {
    big: 5n, circle, call: () => 1, symbol: Symbol('x'), nan: NaN, infinite: Infinity, date: new Date(0),
    thrower: { toJSON: () => { throw new Error('no'); } }, method: 'GET', headers: {}, socket: {}, setHeader: () => {},
  };
  for (const format of ['json', 'logfmt', 'text'] as const) {
    const line = written(t, format, 'a message', hostile);
    t.match(line, 'a message', format);
    t.equal(line.split('\n').length, 2, 'one line');
    if (format === 'json') t.match(JSON.parse(line), { msg: 'a message', level: 'info', nan: null });
  }
  t.end();
});

t.test('levels', (t) => {
  for (const [i, level] of LOG_LEVELS.entries()) {
    const { log, lines } = logIn('json', level);
    for (const name of LOG_LEVELS) log[name](name);
    t.strictSame(lines.map((line) => (JSON.parse(line) as { level: string }).level), LOG_LEVELS.slice(i), level);
  }
  t.end();
});

t.test('the time is that of the line', async (t) => {
  const { log, lines } = logIn('json');
  const before = Date.now();
  log.info('one');
  await sleep(5);
  log.info('two');
  const [one, two] = lines.map((line) => Date.parse((JSON.parse(line) as { ts: string }).ts));
  t.ok(one! >= before && two! > one! && two! <= Date.now());
});
