import t from 'tap';
import { appAdvice, pastRestartOf } from '../../src/publish/advice.js';
import { incidentOf } from '../act/support.js';
import { HOUR, MB, NOW } from '../decide/support.js';

t.test('which incidents count as restarts of before, and what is taken from them', async (t) => {
  const measured = { pid: 7, start: 1, startedAtMs: NOW - 9 * HOUR, rssBytes: 770 * MB, heapUsedBytes: null, heapLimitBytes: null, heartbeatAtMs: null };
  const done = incidentOf({ id: 'a', before: measured });
  const evidence = { folder: '/e/x', files: [], finding: 'from remember (/srv/a.js:1:2)', notes: [] };
  const outlook = {
    leak: { class: 'heap', bytesPerSecond: 31e6 / 3600, confidence: 0.91, companions: [] },
    rates: {}, forecastMs: 0, limitBytes: 768 * MB, measuredMs: HOUR,
  } as const;
  const whole = { ...done, outlook: { ...outlook, leak: { ...outlook.leak, companions: [] } }, outcome: { ...done.outcome!, after: { ...measured, pid: 8, rssBytes: 140 * MB }, evidence } };
  t.strictSame(pastRestartOf(whole), {
    id: 'a', worker: '0', atMs: NOW, asked: 'rss', ranMs: 9 * HOUR, beforeBytes: 770 * MB, afterBytes: 140 * MB,
    leak: 'its heap grows by 31 MB an hour (confidence 0.9)', finding: evidence.finding, folder: '/e/x',
  });
  t.match(pastRestartOf(incidentOf({ id: 'b' })), { ranMs: null, beforeBytes: null, afterBytes: null, leak: null, finding: null, folder: null }, 'of an older version');
  t.equal(pastRestartOf({ ...done, outcome: null }), null, 'under way');
  t.equal(pastRestartOf({ ...done, outcome: { ...done.outcome!, result: 'cancelled' } }), null);
  const failed = { ...done.outcome!, result: 'failed' } as const;
  t.equal(pastRestartOf({ ...done, outcome: { ...failed, after: measured } }), null, 'the old process still runs');
  t.match(pastRestartOf({ ...done, outcome: { ...failed, after: null } }), { id: 'a' }, 'it has gone, no new one came');
  t.equal(pastRestartOf({ ...done, action: 'refuse', reason: 'budget' } as typeof done), null);
});

t.test('times in seconds', async (t) => {
  const told = { code: 'not_running', workers: ['0'], figures: {}, measuredMs: 90_400, sentence: 'a', change: null } as const;
  t.strictSame(appAdvice('shop', [{ ...told, workers: ['0'] }]), {
    app: 'shop',
    advice: [{ code: 'not_running', workers: ['0'], sentence: 'a', change: null, measured_seconds: 90, figures: {} }],
  });
});
