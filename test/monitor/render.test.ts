import { readFileSync } from 'node:fs';
import t from 'tap';
import { widthOf } from '../../src/monitor/cells.js';
import { render, type Size } from '../../src/monitor/render.js';
import type { View } from '../../src/monitor/view.js';
import { NOW } from '../decide/support.js';
import { HOSTILE, PLAIN, appStatus, viewOf, workerStatus } from './support.js';

process.env['TZ'] = 'UTC';

const SMALL = { columns: 80, rows: 24 };
const LARGE = { columns: 200, rows: 50 };
const plain = (made: Partial<View> = {}, size: Size = SMALL): string[] => render(viewOf(made), size, PLAIN);
const colored = (made: Partial<View> = {}): string => render(viewOf(made), SMALL, { unicode: true, color: true }).join('\n');

for (const size of [SMALL, LARGE]) {
  t.test(`the screen of ${size.columns}×${size.rows}, to the character`, async (t) => {
    const expected = readFileSync(new URL(`./screen-${size.columns}x${size.rows}.txt`, import.meta.url), 'utf8');
    t.equal(`${plain({}, size).join('\n')}\n`, expected);
  });
}

t.test('at any size no line is too wide and none too many, whatever apps are called', async (t) => {
  const apps = [...viewOf().apps!, ...Array.from({ length: 30 }, (_, i) => appStatus(HOSTILE.repeat(i % 5), [workerStatus({ worker: HOSTILE, state: HOSTILE, up: i % 2 === 0 })]))];
  const { status: _status, ...unheard } = viewOf({ lost: HOSTILE });
  const views: View[] = [viewOf({ apps }), viewOf(), viewOf({ help: true }), viewOf({ apps: [] }), viewOf({ lost: HOSTILE, url: HOSTILE }), unheard];
  const wrong: string[] = [];
  for (const view of views) {
    for (const unicode of [true, false]) {
      for (let columns = 1; columns <= 120; columns += 7) {
        for (const rows of [1, 2, 5, 8, 13, 24, 50]) {
          const lines = render(view, { columns, rows }, { unicode, color: false });
          const size = `${columns}×${rows}`;
          if (lines.length > rows) wrong.push(`${lines.length} lines at ${size}`);
          for (const line of lines) {
            if (widthOf(line) > columns) wrong.push(`${widthOf(line)} cells at ${size}: ${line}`);
            if (/[\p{Cc}\p{Cf}\p{Cs}]/u.test(line)) wrong.push(`a control character at ${size}: ${JSON.stringify(line)}`);
            if (!unicode && /\P{ASCII}/u.test(line)) wrong.push(`not ASCII at ${size}: ${line}`);
          }
        }
      }
    }
  }
  t.strictSame(wrong.slice(0, 5), []);
});

t.test('the only sequences in it are our colours', async (t) => {
  const text = colored();
  t.equal(text.replace(/\x1b\[(?:0|2|1|[0-9;]*3\d|1;7)m/g, ''), plain().join('\n'));
  t.match(text, /\x1b\[33m warning rss/);
  t.match(text, /\x1b\[1;31m critical rss/);
  t.match(text, /\x1b\[1;35m stopped/);
  t.match(text, /\x1b\[1;7mshop\/0 /, 'the selected one');
});

t.test('200 workers: the selected one is to be seen, and where the list is', async (t) => {
  const apps = [appStatus('shop', Array.from({ length: 200 }, (_, i) => workerStatus({ worker: String(i) })))];
  t.match(plain({ apps })[2], /^ WORKER 1-9\/200 /);
  const middle = plain({ apps, selected: 'shop/100' });
  t.match(middle[2], /^ WORKER 97-105\/200 /);
  t.ok(middle.some((line) => line.startsWith('▸shop/100 ')));
  t.match(plain({ apps, selected: 'shop/199' })[2], /^ WORKER 192-200\/200 /);
  t.ok(plain({ apps, selected: 'gone/1' })[3]!.startsWith('▸shop/0 '));
});

t.test('what is wrong with the warden and the way to it', async (t) => {
  const status = viewOf().status!;
  t.match(plain({ status: { ...status, state_writable: false } }).slice(1, 3).join('\n'), /state NOT written\n the state file CANNOT be written: nothing is restarted until it can$/);
  t.match(plain({ status: { ...status, config_ok: false } })[2], /^ the last reload of the config failed; the one before stays$/);
  t.match(plain({ status: { ...status, history_saved_seconds: null } })[1], /state not saved yet$/);
  const lost = plain({ lost: 'no heapwarden answers at http://127.0.0.1:9973 (ECONNREFUSED)' });
  t.notMatch(lost[0], /live/);
  t.match(`${lost[2]}${lost[3]}`, /^ no heapwarden answers at .* \(ECONNREFUSED\); what is shown is old, *trying again \.\.\./);
  t.match(plain({ nowMs: NOW + 60_000 })[2], /^ no word from heapwarden for 1m(?:1s)?; what is shown is old/);
  t.match(plain({ apps: [appStatus('api', []), appStatus('shop', [workerStatus()])] })[2], /^ api has no worker: pm2 knows of none$/);
  t.match(plain({ apps: [] }).join('\n'), /\n no app is configured, and no agent reports in\./);
  const unborn = plain({ apps: [appStatus('api', [])] });
  t.match(unborn[2], /^ api has no worker: pm2 knows of none$/);
  t.notMatch(unborn.join('\n'), /no app is configured/);
  const { status: _status, apps: _apps, incidents: _incidents, ...bare } = viewOf();
  t.match(render(bare, SMALL, PLAIN).join('\n'), /waiting for the heapwarden at http:\/\/127\.0\.0\.1:9973 \.\.\./);
  const nobody = { ...bare, lost: 'no heapwarden answers', remedy: 'Is it running? Name its address with --url' };
  const told = render(nobody, SMALL, PLAIN).join('\n');
  t.match(told, /no heapwarden answers\n Is it running\? Name its address with --url\. Trying again/);
  t.match(render({ ...bare, lost: 'it asks who' }, SMALL, PLAIN).join('\n'), /it asks who\n Trying again/);
});

t.test('the selected worker: what holds its restarts back, and what it lacks', async (t) => {
  const worker = workerStatus({ heap_used_bytes: null, cooldown_seconds: 130, blocked: ['paused', 'outside_window', 'ineffective'] });
  const app = appStatus('shop', [worker], { paused: { until_seconds: null }, dry_run: true, limits: {} });
  const text = plain({ apps: [app], incidents: [], advice: [] }, LARGE).join('\n');
  t.match(text, /612 MB, no restart limit\n/);
  t.match(text, /no agent reports: heap, event loop and GC are not known \(heapwarden attach PID\)/);
  t.match(text, /paused until it is resumed, dry run: nothing is restarted, outside its restart windows, restarts did not help; allow them again: heapwarden resume shop, cooldown 2m, 4 of 5 restarts left in 1h/);
  t.match(text, /nothing was restarted or refused, nothing died/);
  t.match(text, /advice: nothing to change/);
});

t.test('help, and the last day', async (t) => {
  t.match(plain({ help: true }).join('\n'), /q Ctrl-C +quit/);
  t.match(plain({ range: '24h' }).join('\n'), /24 hours ago +now/);
});
