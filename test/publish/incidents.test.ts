import t from 'tap';
import { incidentStatus } from '../../src/publish/incidents.js';
import { deathOf, incidentOf } from '../act/support.js';

t.test('an incident as the API tells it: seconds, bytes, snake_case', async (t) => {
  const measured = { pid: 7, start: 123_456, startedAtMs: 1_000_500, rssBytes: 9e6, heapUsedBytes: 5e6, heapLimitBytes: 8e6, heartbeatAtMs: 2_000_250 };
  const told = { pid: 7, start_time_seconds: 1000.5, resident_memory_bytes: 9e6, heap_used_bytes: 5e6, heap_limit_bytes: 8e6, heartbeat_timestamp_seconds: 2000.25 };
  const unknown = { heapUsedBytes: null, heapLimitBytes: null, heartbeatAtMs: null };
  const incident = incidentOf({
    id: 'one',
    atMs: 2_001_000,
    alert: { fingerprint: 'f', startsAtMs: 1_999_500, endsAtMs: null },
    before: measured,
    outcome: { atMs: 2_003_000, result: 'recovered', sentence: 'done', stop: 'exited', after: { ...measured, ...unknown }, downtimeMs: 250, release: 'r1', relapsedAtMs: 2_020_500, interrupted: false },
  });
  t.match(incidentStatus(incident), {
    id: 'one',
    timestamp_seconds: 2001,
    alert: { fingerprint: 'f', starts_at_seconds: 1999.5 },
    before: told,
    outcome: { timestamp_seconds: 2003, result: 'recovered', sentence: 'done', stop: 'exited', downtime_seconds: 0.25, release: 'r1', relapsed_timestamp_seconds: 2020.5, interrupted: false },
  });
  t.strictSame(incidentStatus(incident).outcome?.after, { ...told, heap_used_bytes: null, heap_limit_bytes: null, heartbeat_timestamp_seconds: null });
  const leak = { class: 'heap', bytesPerSecond: 8611.4, confidence: 0.912, companions: [{ type: 'Timeout', from: 2, to: 90 }] } as const;
  const outlook = { leak: { ...leak, companions: [...leak.companions] }, rates: { heap: 8611.4 }, forecastMs: 60_250, limitBytes: 768e6, measuredMs: 3_600_000 };
  t.match(incidentStatus({ ...incident, outlook }), {
    leak: { class: 'heap', bytes_per_second: 8611, confidence: 0.91, companions: [{ type: 'Timeout', from: 2, to: 90 }] },
    forecast_seconds: 60,
    measured_seconds: 3600,
    gain: null,
  });
  const gain = { overMs: 90_500, bytes: 10, parts: { heap: 8, buffers: 1, native: 2, children: -1 } };
  t.strictSame(incidentStatus({ ...incident, gain }).gain, {
    seconds: 90.5, resident_memory_bytes: 10, heap_bytes: 8, buffers_bytes: 1, native_bytes: 2, children_bytes: -1,
  });
  const nothing = { leak: null, forecast_seconds: null, measured_seconds: null };
  t.match(incidentStatus(incident), nothing, 'a record of an older version');
  t.match(incidentStatus({ ...incident, outlook: null }), nothing);
  t.match(incidentStatus(incidentOf({ id: 'two', before: null, outcome: null, alert: null })), { before: null, outcome: null, alert: null });
});

t.test('a death: nobody asked for it, and it has no outcome', async (t) => {
  const measured = { pid: 7, start: 123_456, startedAtMs: 1_000_500, rssBytes: 9e6, heapUsedBytes: 5e6, heapLimitBytes: 8e6, heartbeatAtMs: null };
  const evidence = { folder: '/e', files: ['incident.json'], finding: null, notes: ['a process that has died cannot be asked'] };
  const death = deathOf({ id: 'one', reason: 'oom_kernel', atMs: 2_001_000, before: measured, measuredAtMs: 2_000_500, evidence });
  t.strictSame(incidentStatus(death), {
    id: 'one',
    timestamp_seconds: 2001,
    app: 'shop',
    worker: '0',
    action: 'death',
    reason: 'oom_kernel',
    origin: null,
    asked: null,
    force: false,
    sentence: "shop/0 died of V8's heap limit",
    alert: null,
    before: { pid: 7, start_time_seconds: 1000.5, resident_memory_bytes: 9e6, heap_used_bytes: 5e6, heap_limit_bytes: 8e6, heartbeat_timestamp_seconds: null },
    death: { measured_timestamp_seconds: 2000.5, evidence },
    measured_seconds: null,
    forecast_seconds: null,
    leak: null,
    gain: null,
    outcome: null,
  });
  t.equal(incidentStatus(incidentOf({ id: 'two' })).death, null);
});
