/** What the page says, beside what the monitor does. */
import t from 'tap';
import { healthOf } from '../../src/monitor/health.js';
import { missingOf } from '../../src/monitor/view.js';
import { stateOf as monitorStateOf } from '../../src/monitor/words.js';
import { missingWords } from '../../src/publish/missing-words.js';
import { stateOf, summaryOf } from '../../src/web/page/words.js';
import { appStatus, viewOf, workerStatus } from '../monitor/support.js';

t.test('a worker that does not run is as loud as in the monitor', async (t) => {
  for (const state of ['starting', 'stopped', 'crash_loop']) {
    const app = appStatus('shop', [workerStatus({ up: false, state, pid: null })]);
    t.strictSame(stateOf(app.workers[0]!, app), monitorStateOf(app.workers[0]!, app), state);
  }
});

t.test('an app of which its supervisor knows nothing', async (t) => {
  const [api, web, shop] = [appStatus('api', []), appStatus('web', []), appStatus('shop', [workerStatus()])];
  t.equal(summaryOf([shop]), '1 of 1 workers up');
  t.equal(summaryOf([shop, api]), '1 of 1 workers up, 1 app without a worker');
  t.equal(summaryOf([api, web]), '0 of 0 workers up, 2 apps without a worker');
  t.equal(missingWords(shop), null);
  t.strictSame(missingOf({ apps: [shop, api] }), [`api ${missingWords(api)}`]);
  const { wrong } = healthOf({ status: viewOf().status!, apps: [shop, api] });
  t.strictSame(wrong, [{ app: 'api', worker: null, level: 'down', sentence: `it ${missingWords(api)}` }]);
});
