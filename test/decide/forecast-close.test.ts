/** The look-alikes again, where the restart limit is close: a smaller growth counts there. */
import t from 'tap';
import { outlookOf } from '../../src/decide/forecast.js';
import type { Series } from '../../src/observe/series.js';
import { HEALTHY, live, randomOf } from './diseases.js';
import { HOUR, SECOND, appOf } from './support.js';

/** Twice what they need without what they look like. */
const APP = appOf('limits: { rss: { restart: 400MB } }');
const SEEDS = 67;

for (const [name, healthOf] of Object.entries(HEALTHY)) {
  t.test(`${name} is no leak, at any time of a day, with an agent and without`, async (t) => {
    const alarms: string[] = [];
    for (const noise of [0.005, 0.02, 0.05]) {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const { life: own, ...body } = healthOf(randomOf(seed * 7919));
        const life = { seed, noise, sampleMs: 30 * SECOND, ...own, agent: seed % 3 > 0, agentAtMs: seed % 3 === 2 ? (seed % 20) * HOUR : 0 };
        const look = (series: Series) => {
          if (outlookOf(series, APP).leak) alarms.push(`noise ${noise}, seed ${seed}, after ${series.latest!.at / HOUR} h`);
        };
        live(body, life, 24 * HOUR, { everyMs: HOUR, look });
      }
    }
    t.strictSame(alarms, []);
  });
}
