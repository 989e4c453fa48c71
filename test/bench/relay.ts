/**
 * `npm run bench:relay`: one relay before many wardens, and an alert storm from all of them at once. The wardens are
 * listeners of this process, which also sends: the relay has what they leave of the machine. Exit status: 0 all promises
 * kept, 1 one broken or not measured.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatBytes } from '../../src/units.js';
import { CLI } from '../integration/warden-process.js';
import { waitFor } from '../integration/wait.js';
import { Storm, type Sent } from '../relay/storm.js';
import { run } from './run.js';
import { aligned } from './table.js';

const USAGE = `npm run bench:relay -- [flags]
  --wardens=N   how many (default 1000)
  --alerts=N    alerts of each, one a request (default 3)`;

/** Milliseconds for each thing that is waited for. */
const PATIENCE_MS = 60_000;
const RETRY = 'retry: { first: 1s, most: 3s }';
const BRAKE = { most: 10, wardens: 60, restartMs: 500 };

interface Row {
  name: string;
  sent: Sent;
  lost: number;
  /** From the last answer to Alertmanager until every alert had arrived. */
  laterMs: number;
  peakBytes: number;
  /** Processor time of the relay; null where it was another process at the end. */
  cpuMs: number | null;
  note: string;
}

async function storms(storm: Storm, each: number): Promise<Row[]> {
  const { wardens } = storm;
  const tenth = wardens.slice(0, Math.ceil(wardens.length / 10));
  const rows: Row[] = [];
  const cpuMs = async () => 1000 * (await storm.metric('process_cpu_seconds_total'));
  const add = async (name: string, sent: Sent, fromCpuMs: number | null, note: string): Promise<void> => {
    const laterMs = await storm.allArrived(sent.alerts, PATIENCE_MS).catch(() => Number.NaN);
    const spentMs = fromCpuMs === null ? null : (await cpuMs()) - fromCpuMs;
    rows.push({ name, sent, lost: storm.missing(sent.alerts), laterMs, peakBytes: storm.peakBytes(), cpuMs: spentMs, note });
    console.error(`${name}: done`);
  };
  const fall = () => Promise.all(tenth.map((warden) => warden.stop()));
  const rise = () => Promise.all(tenth.map((warden) => warden.start()));

  const atStartMs = await cpuMs();
  await add('all up', await storm.send(wardens, each), atStartMs, '');

  await fall();
  const beforeMs = await cpuMs();
  const away = await storm.send(wardens, each);
  const onDisk = await storm.metric('heapwarden_relay_queue_length');
  await rise();
  await add('10 % down, then back', away, beforeMs, `${onDisk} waited on disk`);

  await fall();
  const third = Math.floor((wardens.length * each) / 3);
  let restarted: Promise<void> = Promise.resolve();
  const killed = await storm.send(wardens, each, (answered) => {
    if (answered === third) restarted = storm.endRelay('SIGKILL').then(() => storm.startRelay());
  });
  await restarted;
  await rise();
  await add('10 % down, relay killed', killed, null, `${killed.again} requests sent again`);
  return rows;
}

/** The most that restarted at once, and how long all took. */
async function braked(dir: string): Promise<{ most: number; ms: number; lost: number }> {
  let [now, most] = [0, 0];
  const onRestart = (_app: string, change: 1 | -1) => void (most = Math.max(most, (now += change)));
  const storm = new Storm(dir, BRAKE.wardens, { apps: { shop: 1 }, restartMs: BRAKE.restartMs, onRestart });
  try {
    await storm.start(`brake: { max_restarts: ${BRAKE.most}, min_up: 50%, refresh_interval: 250ms }`);
    const { alerts, ms } = await storm.send(storm.wardens, 1);
    const laterMs = await storm.allArrived(alerts, PATIENCE_MS).catch(() => Number.NaN);
    await waitFor('the last restart to end', () => now === 0, PATIENCE_MS).catch(() => undefined);
    return { most, ms: ms + laterMs, lost: storm.missing(alerts) };
  } finally {
    await storm.close();
  }
}

function tableOf(rows: readonly Row[]): string {
  const header = ['storm', 'alerts', 'taken in, s', 'per second', 'all arrived, s later', 'lost', 'relay, peak', 'its CPU, ms each', ''];
  return aligned([
    header,
    ...rows.map(({ name, sent: { alerts, ms }, laterMs, lost, peakBytes, cpuMs, note }) => [
      name, String(alerts.length), (ms / 1000).toFixed(1), String(Math.round((alerts.length / ms) * 1000)), (laterMs / 1000).toFixed(1),
      String(lost), formatBytes(peakBytes), cpuMs === null ? '-' : (cpuMs / alerts.length).toFixed(1), note,
    ]),
  ]);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      wardens: { type: 'string', default: '1000' },
      alerts: { type: 'string', default: '3' },
      help: { type: 'boolean', default: false },
    },
  });
  const [count, each] = [Number(values.wardens), Number(values.alerts)];
  if (values.help || !Number.isInteger(count) || !Number.isInteger(each) || count < 10 || each < 1) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  if (!existsSync(CLI)) throw new Error(`there is no ${CLI}: run \`npm run build\``);
  const dir = mkdtempSync(join(tmpdir(), 'hw-bench-relay-'));
  const storm = new Storm(dir, count, { apps: { shop: each } });
  let rows: Row[] = [];
  try {
    await storm.start(RETRY);
    rows = await storms(storm, each);
  } finally {
    await storm.close();
    rmSync(dir, { recursive: true, force: true });
  }
  const brakeDir = mkdtempSync(join(tmpdir(), 'hw-bench-relay-'));
  const brake = await braked(brakeDir).finally(() => rmSync(brakeDir, { recursive: true, force: true }));

  console.log(`${count} wardens, ${each} alerts each, one a request, 50 requests at once; ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node.js ${process.version.slice(1)}\n`);
  console.log(`${tableOf(rows)}\n`);
  const held = `at most ${brake.most} at once of ${BRAKE.most} allowed, ${(brake.ms / 1000).toFixed(1)} s`;
  console.log(`brake, ${BRAKE.wardens} machines that restart for ${BRAKE.restartMs} ms: ${held}\n`);
  const lost = rows.reduce((sum, row) => sum + row.lost, brake.lost);
  const promises = [
    [lost === 0, `no alert is lost: ${lost} of ${rows.reduce((sum, { sent }) => sum + sent.alerts.length, BRAKE.wardens)}`],
    [brake.most <= BRAKE.most, `the brake holds: ${brake.most} of ${BRAKE.most} at once`],
  ] as const;
  for (const [isKept, what] of promises) console.log(`${isKept ? 'kept  ' : 'BROKEN'}  ${what}`);
  return promises.every(([isKept]) => isKept) ? 0 : 1;
}

await run('bench:relay', main);
