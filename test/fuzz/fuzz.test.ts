/** A short run of `npm run fuzz`, the same inputs each time. */
import t from 'tap';
import { allTargets } from './all.js';
import { run } from './target.js';

const SECONDS = 1;

for (const target of allTargets((ending) => t.teardown(ending))) {
  t.test(target.name, async (t) => {
    const { runs, found } = await run(target, { seconds: SECONDS, seed: 1 });
    t.equal(found, null);
    t.ok(runs > 0, `${runs} inputs`);
  });
}
