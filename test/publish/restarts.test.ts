import t from 'tap';
import { History } from '../../src/act/history.js';
import type { Incident, Outcome } from '../../src/act/incident.js';
import { restartFamilies } from '../../src/publish/restarts.js';
import { incidentOf } from '../act/support.js';
import { HOUR, MB, MINUTE, NOW } from '../decide/support.js';
import { CLOCK, VIEW } from './support.js';

const of = (pid: number, rssBytes: number) =>
  ({ pid, start: 1, startedAtMs: NOW - HOUR, rssBytes, heapUsedBytes: null, heapLimitBytes: null, heartbeatAtMs: null });
const OLD = of(90, 768 * MB);
const DONE = incidentOf({ id: '' }).outcome!;

function restartAgo(minutes: number, outcome: Partial<Outcome> | null): Incident {
  const full = outcome && { ...DONE, ...outcome };
  return incidentOf({ id: `${minutes} minutes ago`, atMs: NOW - minutes * MINUTE, before: OLD, outcome: full });
}

/** What is told of worker 0 of the shop. */
function told(...incidents: Incident[]) {
  const families = restartFamilies({ ...VIEW, history: new History(incidents, CLOCK) });
  const valueOf = (name: string) =>
    [...families.find((family) => family.name === name)!.values].find(({ labels }) => labels['worker'] === '0')?.value;
  const at = valueOf('heapwarden_restart_last_timestamp_seconds');
  return { minutesAgo: at && (NOW / 1000 - at) / 60, reclaimed: valueOf('heapwarden_restart_reclaimed_bytes') };
}

t.test('which restarts have been carried out', async (t) => {
  const good = restartAgo(30, { after: of(91, 68 * MB) });
  const reclaimed = 700 * MB;
  t.strictSame(told(good), { minutesAgo: 30, reclaimed });
  t.strictSame(told(good, restartAgo(5, { result: 'failed', after: OLD })), { minutesAgo: 30, reclaimed }, 'the old process still runs');
  t.strictSame(told(good, restartAgo(5, { result: 'not_ready', after: OLD })), { minutesAgo: 30, reclaimed }, 'it was kept');
  t.strictSame(told(good, restartAgo(5, null)), { minutesAgo: 30, reclaimed }, 'under way');
  t.strictSame(told(good, restartAgo(5, { result: 'failed', after: null })), { minutesAgo: 5, reclaimed }, 'it has gone, and no new one came');
  t.strictSame(told(good, restartAgo(5, { result: 'ineffective', after: of(92, 768 * MB) })), { minutesAgo: 5, reclaimed: 0 });
  const started = (outcome: Partial<Outcome>) => told(good, { ...restartAgo(5, outcome), before: null } as Incident);
  t.strictSame(started({ result: 'failed', after: null }), { minutesAgo: 30, reclaimed }, 'nothing ran, and nothing was started');
  t.match(started({ after: of(92, 50 * MB) }), { minutesAgo: 5 }, 'one was started');
  t.strictSame(told(restartAgo(5, { result: 'failed', after: OLD })), { minutesAgo: undefined, reclaimed: undefined });
});
