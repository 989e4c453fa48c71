/** Sparklines, server-sent events, tables, and what scripts are told. */
import t from 'tap';
import { EventParser } from '../../src/monitor/events.js';
import { healthOf } from '../../src/monitor/health.js';
import { isInteractive, lookOf } from '../../src/monitor/look.js';
import { appLines, plainLines } from '../../src/monitor/plain.js';
import { binned, chart, sparkline } from '../../src/monitor/sparkline.js';
import { carriedOn } from '../../src/monitor/view.js';
import { MB, NOW } from '../decide/support.js';
import { PLAIN, appStatus, rising, viewOf, workerStatus } from './support.js';

process.env['TZ'] = 'UTC';

t.test('sparkline and chart', async (t) => {
  t.equal(sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8, 99, null], 11, 8, { unicode: true }), '▁▂▃▄▅▆▇███ ');
  t.equal(sparkline([0, 4, 8, null], 4, 8, { unicode: false }), '_=# ');
  t.strictSame(binned([1, 5, 2, null, null, null], 3), [5, 2, null], 'the greatest of each, and gaps stay');
  t.strictSame(binned([1, 2], 4), [1, 1, 2, 2]);
  t.strictSame(binned([], 2), [null, null]);
  t.strictSame(chart([0, 4, 6, 8, null], { width: 5, rows: 2, top: 8 }, { unicode: true }), ['  ▄█ ', '▁███ ']);
});

t.test('server-sent events, wherever the pieces are cut', async (t) => {
  const text = 'retry: 2000\n\n:\n\nevent: status\ndata: {"a":1}\n\nevent: apps\r\ndata:x\r\ndata: y\r\n\r\ndata: z\n\n';
  const events = [{ event: 'status', data: '{"a":1}' }, { event: 'apps', data: 'x\ny' }, { event: 'message', data: 'z' }];
  for (let cut = 0; cut <= text.length; cut++) {
    const parser = new EventParser();
    t.strictSame([...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))], events, `cut at ${cut}`);
  }
});

t.test('a history goes on with what is measured', async (t) => {
  const history = rising('shop', 100 * MB, 4);
  const app = appStatus('shop', [workerStatus({ resident_memory_bytes: 7 })]);
  const at = (slice: number) => carriedOn(history, app, history.start_seconds * 1000 + slice * 10_000).workers[0]!.resident_memory_bytes;
  t.strictSame(at(3).at(-1), 100 * MB, 'the greatest of the slice');
  t.strictSame(at(5).slice(-3), [100 * MB, null, 7]);
  t.equal(at(5).length, 4);
  t.equal(at(5000).length, 4, 'one that is too old stays until it is read again');
  t.equal(at(-9), history.workers[0]!.resident_memory_bytes);
});

t.test('plain lines: everything, and nothing cut', async (t) => {
  const lines = plainLines(viewOf(), PLAIN);
  t.match(lines[0], /^heapwarden 1\.2\.3 at http:\/\/127\.0\.0\.1:9973: 2 of 3 workers up, 1 down, 1 critical, 1 warning; state saved 13 s ago$/);
  t.match(lines[2], /^WORKER +STATE +LAST HOUR +MEMORY +LIMIT +HEAP +DELAY +GC +UP$/);
  t.match(lines[3], /^shop\/0 +warning rss +▁▂▂▂▃▃▃▃▄▄▄▅▅▅▅▆▆▆▇▇ +612 MB +768 MB +15% +12 ms +3\.4% +3h20m$/);
  t.match(lines.join('\n'), /\nNov 12 {4}recovered {4}shop\/0: heapwarden asked for a restart \(rss\) → shop\/0: restarted in 1\.0 s\n\nadvice: shop\/0 leaks: its heap grows → read suspects\.txt$/);
  t.notMatch(lines.join('\n'), /[^\P{Cc}\n]/u);
  t.match(plainLines(viewOf({ apps: [] }), PLAIN).join('\n'), /no app is configured/);
  const unborn = plainLines(viewOf({ apps: [appStatus('api', [])] }), PLAIN).join('\n');
  t.match(unborn, /\napi has no worker: pm2 knows of none\n/);
  t.notMatch(unborn, /no app is configured/);
});

t.test('apps', async (t) => {
  const lines = appLines([...viewOf().apps!, appStatus('api', [])], PLAIN);
  t.equal(lines[0]!.replace(/ +/g, ' '), 'WORKER STATE MEMORY LIMIT HEAP DELAY UP PID NODE BY RESTARTS LEFT');
  t.equal(lines[1]!.replace(/ +/g, ' '), 'shop/0 warning rss 612 MB 768 MB 15% 12 ms 3h20m 4711 22.23.3 pm2 4 of 5');
  t.equal(lines.at(-1), 'api has no worker: pm2 knows of none');
  t.strictSame(appLines([], PLAIN), ['no app is configured, and no agent reports in']);
});

t.test('health: what is wrong and what is not', async (t) => {
  const { status } = viewOf();
  const health = (worker: Parameters<typeof workerStatus>[0], made: Parameters<typeof appStatus>[2] = {}) =>
    healthOf({ status: status!, apps: [appStatus('shop', [workerStatus(worker)], made)] });
  for (const [what, found] of [
    ['normal', health({})],
    ['restarting', health({ restarting: true, up: false })],
    ['starting', health({ state: 'starting', up: false })],
    ['paused by a person', health({ blocked: ['paused'] })],
    ['only shown', health({}, { managed: false })],
  ] as const) t.match(found, { ok: true, wrong: [] }, what);
  for (const [level, found] of [
    ['down', health({ up: false, state: 'stopped' })],
    ['down', health({ up: false, state: 'crash_loop' })],
    ['warning', health({ levels: { heap: 'warning' } })],
    ['critical', health({ levels: { rss: 'critical' } })],
    ['critical', health({ levels: { freeze: 'restart' } })],
    ['warning', health({ blocked: ['ineffective'] })],
    ['warning', health({}, { restart_budget_remaining: 0 })],
    ['down', health({}, { workers: [] })],
  ] as const) t.match(found, { ok: false, wrong: [{ app: 'shop', level }] });
  for (const trouble of [{ state_writable: false }, { config_ok: false }]) {
    const found = healthOf({ status: { ...status!, ...trouble }, apps: [] });
    t.strictSame([found.ok, found.wrong, found.troubles.length], [false, [], 1]);
  }
  t.strictSame(health({ forecast_seconds: 740 }).notes, [{ app: 'shop', worker: '0', sentence: 'its memory reaches 768 MB in about 12m' }]);
  t.ok(NOW);
});

t.test('what the terminal can show', async (t) => {
  const at = { isTTY: true, platform: 'linux' };
  t.strictSame(lookOf({ LANG: 'C.UTF-8', TERM: 'xterm' }, at), { unicode: true, color: true });
  t.strictSame(lookOf({ LANG: 'de_DE.utf8', LC_ALL: 'C' }, at), { unicode: false, color: true });
  t.strictSame(lookOf({ LANG: 'C.UTF-8', NO_COLOR: '1' }, at), { unicode: true, color: false });
  t.strictSame(lookOf({ LANG: 'C.UTF-8', NO_COLOR: '' }, at), { unicode: true, color: true });
  t.strictSame(lookOf({ LANG: 'C.UTF-8', TERM: 'linux' }, at), { unicode: false, color: true });
  t.strictSame(lookOf({}, { isTTY: false, platform: 'darwin' }), { unicode: true, color: false });
  t.ok(isInteractive({ TERM: 'xterm' }, { input: true, output: true }));
  t.notOk(isInteractive({ TERM: 'dumb' }, { input: true, output: true }));
  t.notOk(isInteractive({}, { input: false, output: true }));
  t.notOk(isInteractive({}, { input: true, output: false }));
});
