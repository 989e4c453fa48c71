/**
 * SIGKILL of the warden at every step of a restart (DESIGN.md, "A restart"), at exactly that step, on real processes:
 * test/apps/dies-at.mjs is preloaded into the real program. The program then starts again over what is left.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseJournal } from '../../src/act/journal-lines.js';
import { isAlive, mustIdentify } from '../observe/support.js';
import { freePort } from '../parts/prometheus.js';
import { reportFolder, runningIn } from '../supervisors/child-support.js';
import { slowService, startsIn } from './slow-service.js';
import { never, waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

t.jobs = 3;
t.setTimeout(400_000);

const STOP_MS = 1500;
const READY_MS = 1000;
const DYING = [process.execPath, '--import', appFile('dies-at.mjs')];

type Mode = 'stop_first' | 'graceful';

interface Step {
  name: string;
  dieAt: string;
  /** What is on record of the restart when the warden has died. */
  onRecord: 'nothing' | 'intent' | 'outcome';
  /** The journal ends in half a line. */
  torn?: true;
  /** How often the app is started at most: by the first warden, its restart, the second warden. */
  starts: number;
  /** What is known to go wrong. */
}

const STEPS: Record<Mode, Step[]> = {
  stop_first: [
    { name: 'decided, the intent not yet written', dieAt: 'before restart', onRecord: 'nothing', starts: 3 },
    { name: 'half of the intent on disk', dieAt: 'half restart', onRecord: 'nothing', torn: true, starts: 3 },
    { name: 'the intent on disk', dieAt: 'after restart', onRecord: 'intent', starts: 2 },
    { name: 'about to send the stop signal', dieAt: 'before stop', onRecord: 'intent', starts: 2 },
    { name: 'the old process is stopping', dieAt: 'after stop', onRecord: 'intent', starts: 2 },
    { name: 'the old process has gone', dieAt: 'before start', onRecord: 'intent', starts: 2 },
    { name: 'the new process has just been started', dieAt: 'after start', onRecord: 'intent', starts: 3 },
    { name: 'the new process is known, and not ready yet', dieAt: 'after known', onRecord: 'intent', starts: 3 },
    { name: 'the new process is ready', dieAt: 'before outcome', onRecord: 'intent', starts: 3 },
    { name: 'half of the outcome on disk', dieAt: 'half outcome', onRecord: 'intent', torn: true, starts: 3 },
    { name: 'the outcome on disk', dieAt: 'after outcome', onRecord: 'outcome', starts: 3 },
  ],
  // Two processes run where the warden dies.
  graceful: [
    { name: 'the new process beside the old one is known, and not ready yet', dieAt: 'after known', onRecord: 'intent', starts: 3 },
    { name: 'both serve', dieAt: 'before stop', onRecord: 'intent', starts: 3 },
    { name: 'the old process is stopping', dieAt: 'after stop', onRecord: 'intent', starts: 3 },
    { name: 'the new process is alone', dieAt: 'before outcome', onRecord: 'intent', starts: 3 },
  ],
};

const journalOf = (dir: string) => parseJournal(readFileSync(join(dir, 'journal.jsonl'), 'utf8'));
const recorded = (dir: string) => journalOf(dir).incidents.filter(({ action }) => action === 'restart');

/** A warden with one service; it dies at `dieAt`. */
async function setup(t: Test, dieAt: string, mode: Mode = 'stop_first') {
  const folder = await reportFolder(t);
  const port = await freePort();
  const config = `
sample_interval: 300ms
apps:
  - name: slow
    supervisor: ${slowService(folder, { PORT: port, READY_MS, STOP_MS }, mode === 'graceful' ? `127.0.0.1:${port}` : null)}
    runtime: ${mode === 'graceful' ? 'agent' : 'none'}
    restart: { mode: ${mode}, startup_grace: 0s, cooldown: 1h, budget: 3/1h, stop_timeout: 10s,
               ready: { http: "http://127.0.0.1:${port}/", timeout: 20s } }
`;
  const warden = await WardenProcess.start(t, { config, runner: DYING, env: { DIE_AT: dieAt } });
  await warden.ready();
  const serving = () => fetch(`http://127.0.0.1:${port}/`).then(async (response) => Number(await response.text()), () => null);
  const first = await mustIdentify(await waitFor('the service', serving));
  const ended = waitFor('the warden to die', () => !warden.isAlive);
  return { folder, config, warden, serving, first, ended };
}

const cases = Object.entries(STEPS).flatMap(([mode, steps]) => steps.map((step) => ({ mode: mode as Mode, ...step })));

for (const { mode, name, dieAt, onRecord, torn = false, starts } of cases) {
  t.test(`${mode}: ${name}`, { buffered: true }, async (t) => {
    const { folder, config, warden, serving, first, ended } = await setup(t, dieAt, mode);
    // Where it dies first there is no answer.
    await warden.post('/api/v1/apps/slow/restart', {}).catch(() => null);
    await ended;
    t.equal(warden.child.signalCode, 'SIGKILL');
    t.equal(journalOf(warden.dir).damaged, torn ? 1 : 0);
    if (mode === 'graceful' && !['after stop', 'before outcome'].includes(dieAt)) {
      t.equal((await runningIn(folder)).length, 2, 'the old process and the new one run');
      t.ok(await isAlive(first));
    }
    const left = recorded(warden.dir);
    t.strictSame(left.map(({ outcome }) => (outcome ? 'outcome' : 'intent')), onRecord === 'nothing' ? [] : [onRecord]);

    // Whatever runs is above its limit from now on: the guard asks three times a second, and only what is on record
    // keeps it from a second restart.
    const next = await WardenProcess.start(t, { config: `${config}    limits: { rss: { restart: 1MB, for: 0s } }`, dir: warden.dir });
    await next.ready();
    t.notOk(await isAlive(first), 'nothing of the dead warden runs');
    const restart = await next.finishedRestart(40_000);
    t.equal(restart.id, left[0]?.id ?? restart.id, 'what was begun is what is completed');
    t.equal(restart.outcome!.interrupted, onRecord === 'intent');
    t.equal(restart.outcome!.result, onRecord === 'nothing' ? 'ineffective' : 'recovered');
    t.equal(restart.origin, onRecord === 'nothing' ? 'guard' : 'api', 'what was never put on record never happened');
    await waitFor('the cooldown', async () => (await next.incidents()).find(({ reason }) => reason === 'cooldown'));
    await never('it is restarted twice', async () => (await next.restarts()).length > 1, 2000);

    t.equal(await next.metric('heapwarden_restart_budget_remaining', { app: 'slow' }), 2, 'the budget has counted it');
    const now = await waitFor('the service', serving);
    t.equal(now, await next.pid('slow'), 'the one that serves is the one that is watched');
    t.strictSame((await runningIn(folder)).map(({ pid }) => pid), [now], 'and nothing else of the app runs');
    const started = startsIn(folder).length;
    t.ok(started <= starts, `started ${started} times, and ${starts} at most`);
    t.strictSame(recorded(next.dir).map(({ id, outcome }) => [id, outcome?.result]), [[restart.id, restart.outcome!.result]]);
    t.equal(journalOf(next.dir).damaged, 0, 'the journal can be read to its last line');
    if (torn) t.match(next.log, /1 line of the journal could not be read; .* is kept as .*journal\.damaged-/);
  });
}

t.test('a pause', { buffered: true }, async (t) => {
  const torn = await setup(t, 'half note');
  t.equal(await torn.warden.post('/api/v1/apps/slow/pause', {}).catch(() => 'no answer'), 'no answer');
  await torn.ended;
  const resumed = await WardenProcess.start(t, { config: torn.config, dir: torn.warden.dir });
  await resumed.ready();
  t.match(await resumed.apps(), [{ paused: null }], 'half a note is none, and was never answered');

  const { config, warden } = await setup(t, 'never');
  t.match(await warden.post('/api/v1/apps/slow/pause', {}), { status: 200 });
  await warden.stop('SIGKILL');
  const next = await WardenProcess.start(t, { config, dir: warden.dir });
  await next.ready();
  t.match(await next.apps(), [{ paused: { until_seconds: null } }], 'what was answered is there');
  t.match(await next.post('/api/v1/apps/slow/restart', {}), { status: 409, body: { decisions: [{ reason: 'paused' }] } });
});
