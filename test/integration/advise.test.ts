/**
 * A real warden over a real leaking app, with slices of half a second in place of half a minute: what it advises, what
 * its incident says, and both through the commands.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { advise } from '../../src/commands/advise.js';
import { incidents } from '../../src/commands/incidents.js';
import type { AppAdvice } from '../../src/publish/advice.js';
import type { IncidentStatus } from '../../src/publish/incident-shape.js';
import { MemoryLog } from '../act/support.js';
import { waitFor } from './wait.js';
import { appFile } from './warden-process.js';

type Library = typeof import('../../src/index.js');
const DIST = new URL('../../dist/index.js', import.meta.url).href;

const DAY = 86_400_000;
const LIMIT = 300e6;

t.test('a heap that leaks: advice before the restart, the incident at it, and advice after it', async (t) => {
  const { Warden, ConfigStore, parseConfig, systemClock } = (await import(DIST)) as Library;
  const dir = mkdtempSync(join(tmpdir(), 'hw-adv-'));
  const command = [process.execPath, '--max-old-space-size=2000', appFile('leaks-by-name.cjs')];
  const text = `
state_dir: ${dir}
agent_socket: ${dir}/a.sock
sample_interval: 250ms
apps:
  - name: shop
    supervisor: { child: { command: ${JSON.stringify(command)}, env: { LEAK_PER_TURN: "20" } } }
    limits: { rss: { warning: 120MB, restart: ${LIMIT}, for: 500ms } }
    restart: { startup_grace: 1s, stop_timeout: 1s, cooldown: 1h }`;
  const config = parseConfig(text, { file: join(dir, 'heapwarden.yml'), env: {}, home: dir, tmpdir: dir, uid: 1000 });
  const log = new MemoryLog();
  const warden = await Warden.start({
    version: 'test',
    config: new ConfigStore(config, async () => config, systemClock),
    clock: systemClock,
    log,
    listen: { host: '127.0.0.1', port: 0 },
    metricsPath: '/metrics',
    onOutput: () => {},
    pace: { series: { sliceMs: 500, startupMs: 2000 }, leak: { shortestMs: 6000, dayMs: DAY } },
  });
  t.teardown(async () => {
    await warden.close();
    if (!t.passing()) t.comment(log.entries.map(({ message }) => message).join('\n'));
    rmSync(dir, { recursive: true, force: true });
  });
  const lines = async (command: (print: (line: string) => void) => Promise<number>): Promise<string> => {
    const printed: string[] = [];
    t.equal(await command((line) => printed.push(line)), 0);
    return printed.join('\n');
  };
  const client = { url: warden.url, tokenFile: null, configFile: null, app: 'shop', json: false };
  const say = () => lines((print) => advise(client, print));

  const first = await say();
  t.match(first, /^shop\/0 has run for [\d.]+ s and (has not been measured over time yet|was measured for [\d.]+ s only): its first 2\.0 s tell nothing, and a trend needs 6\.0 s after them$/m);
  t.notMatch(first, /shop\/0 leaks|no leak/, 'no guess');

  const leaking = await waitFor('the leak to be told', async () => {
    await systemClock.sleep(500);
    const said = await say();
    return said.includes('shop/0 leaks') && said;
  }, 90_000);
  t.match(leaking, /^shop\/0 leaks: its heap grows by [\d.]+ GB an hour \(confidence [\d.]+\)(; .*)?; measured for \d+ s$/m);
  t.match(leaking, /^shop\/0 reaches its restart limit of 300 MB about every (?:\d\d s|\dm) at this rate, from its baseline of \d+(\.\d)? MB/m);
  t.match(leaking, /^shop\/0 has a heap limit of 2\.\d+ GB, which with the [\d.]+ MB outside the heap \(over \d+ s\) is above its restart limit of 300 MB/m);
  t.match(leaking, /^ {4}→ start it with --max-old-space-size=\d+ \(nine tenths of the restart limit/m);
  const { apps } = (await (await fetch(`${warden.url}/api/v1/advice?app=shop`)).json()) as { apps: AppAdvice[] };
  t.equal(apps.length, 1);
  t.match(apps, [{ app: 'shop', advice: [{ code: 'leak', workers: ['0'], figures: { class: 'heap' } }] }]);

  const told = await waitFor('a restart with its outcome', async () => {
    const { incidents: found } = (await (await fetch(`${warden.url}/api/v1/incidents`)).json()) as { incidents: IncidentStatus[] };
    return found.find(({ action, outcome }) => action === 'restart' && outcome);
  }, 90_000);
  t.match(told, { asked: 'rss', leak: { class: 'heap' }, outcome: { result: 'recovered' } });
  t.ok(told.leak!.bytes_per_second > 500_000 && told.leak!.confidence > 0.5, JSON.stringify(told.leak));
  t.ok(told.measured_seconds! >= 6, String(told.measured_seconds));
  const { gain } = told;
  t.ok(gain!.heap_bytes > 0.7 * gain!.resident_memory_bytes && gain!.resident_memory_bytes > 100e6, JSON.stringify(gain));
  const sentence = /the limit 300 MB; its heap grows by [\d.]+ GB an hour \(confidence [\d.]+\)/;
  t.match(told.sentence, sentence);
  t.ok(log.at('warn').includes(told.sentence), 'in the log');
  t.match(await lines((print) => incidents({ ...client, limit: 20 }, print)), sentence);
  const kept = JSON.parse(readFileSync(join(told.outcome!.evidence!.folder!, 'incident.json'), 'utf8')) as {
    incident: IncidentStatus;
    process: Record<'at_baseline' | 'at_last', Record<string, unknown>>;
  };
  t.match(kept.incident, { leak: told.leak, gain: told.gain, measured_seconds: told.measured_seconds }, 'in its evidence');
  for (const when of ['at_baseline', 'at_last'] as const) {
    const figures = kept.process[when];
    const numbers = { heap_used: Number, external: Number, array_buffers: Number, resident_memory_bytes: Number };
    t.match(figures, { ...numbers, active_resources: Object }, when);
    t.match(figures['heap_spaces'], { old: Number, new: Number }, when);
  }

  const after = await say();
  t.match(after, /^shop\/0 leaked before it was restarted at \d{4}-.*Z: its heap grows by/m);
  t.match(after, /^shop\/0 was restarted for its memory at \d{4}-.*Z: \d+% of the .* are from .*leaks-by-name\.cjs:[67]:\d+\)$/m);
  t.match(after, /^ {4}→ read .*suspects\.txt$/m);
});
