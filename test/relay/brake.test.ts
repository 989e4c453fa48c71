import t from 'tap';
import * as fc from 'fast-check';
import { brakeOf, type Machine } from '../../src/relay/brake.js';
import { pauseMs, verdictOf } from '../../src/relay/verdict.js';

const worker = (name: string, state: 'up' | 'down' | 'restarting' = 'up') => ({
  worker: name, up: state !== 'down', restarting: state === 'restarting',
});
const machine = (instance: string, states: ('up' | 'down' | 'restarting')[], more: Partial<Machine> = {}): Machine => ({
  instance, workers: states.map((state, i) => worker(String(i), state)), isKnown: true, isBusy: false, ...more,
});
const LIMITS = { max_restarts: 1, min_up: 0.5 };
const ask = (machines: Machine[], limits = LIMITS, candidate = { instance: 'a', worker: '0' as string | null }) => brakeOf(machines, limits)(candidate);

t.test('so many machines at once', async (t) => {
  const others = [machine('b', ['up']), machine('c', ['up']), machine('d', ['up'])];
  t.equal(ask([machine('a', ['up']), ...others]), null);
  t.match(ask([machine('a', ['up']), ...others, machine('e', ['restarting'])]), 'restarted on 1 of at most 1 machines');
  t.match(ask([machine('a', ['up']), ...others, machine('e', ['up'], { isBusy: true })]), 'restarted on 1 of at most 1', 'let go, and not seen yet');
  t.equal(ask([machine('a', ['up']), ...others, machine('e', ['restarting'])], { max_restarts: 2, min_up: 0.5 }), null);
  t.match(ask([machine('a', ['up', 'restarting']), ...others], { max_restarts: 2, min_up: 0.5 }), 'under way there');
});

t.test('a share of the workers has to be known to be up', async (t) => {
  const limits = { max_restarts: 9, min_up: 0.5 };
  t.equal(ask([machine('a', ['up']), machine('b', ['up', 'up', 'down'])], limits), null, 'two of four');
  t.match(ask([machine('a', ['up']), machine('b', ['up', 'down', 'down'])], limits), "1 of the app's 4 workers would be known to be up, and 2 must be");
  t.match(ask([machine('a', ['up']), machine('b', ['up', 'up'], { isKnown: false })], limits), '(1 wardens do not answer)');
  t.match(ask([machine('a', ['up']), machine('b', ['up']), machine('c', []), { ...machine('d', []), workers: null, isKnown: false }, { ...machine('e', []), workers: null, isKnown: false }], limits), "1 of the app's 4 workers", 'a machine of which nothing is known counts as one that is down');
  t.match(ask([machine('a', ['up', 'up']), machine('b', ['up'])], limits, { instance: 'a', worker: null }), null, 'one of three, and that is all the others');
  t.match(ask([machine('a', ['up', 'up']), machine('b', ['down'])], limits, { instance: 'a', worker: null }), '0 of');
});

t.test('with all others up, one may always be restarted', async (t) => {
  const all = { max_restarts: 1, min_up: 1 };
  t.equal(ask([machine('a', ['up'])], all), null, 'it is the only one');
  t.equal(ask([machine('a', ['up']), machine('b', ['up', 'up'])], all), null);
  t.match(ask([machine('a', ['up']), machine('b', ['up', 'down'])], all), 'must be');
  t.equal(ask([machine('a', ['down']), machine('b', ['up', 'up'])], all), null, 'to restart what is down takes nothing away');
});

t.test('its own warden decides where there is nothing to brake, and has to answer', async (t) => {
  t.equal(ask([machine('a', []), machine('b', ['restarting'])]), null, 'it has no such app, and will say so');
  t.match(ask([machine('a', ['up'], { isKnown: false })]), 'does not answer');
  t.match(ask([machine('b', ['up'])]), 'does not answer');
});

t.test('never more than max_restarts, and never below the share, whatever is known', async (t) => {
  const state = fc.constantFrom('up', 'down', 'restarting');
  const some = fc.record({ states: fc.array(state as fc.Arbitrary<'up' | 'down' | 'restarting'>, { maxLength: 3 }), isKnown: fc.boolean(), isBusy: fc.boolean() });
  t.doesNotThrow(() => fc.assert(
    fc.property(fc.array(some, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 3 }), fc.double({ min: 0, max: 1, noNaN: true }), (list, max_restarts, min_up) => {
      const machines = list.map(({ states, ...more }, i) => machine(String(i), states, more));
      const pass = brakeOf(machines, { max_restarts, min_up })({ instance: '0', worker: '0' }) === null;
      const own = machines[0]!;
      if (!pass || own.workers!.length === 0) return true;
      const restarting = machines.filter(({ workers, isBusy }) => isBusy || workers!.some((one) => one.restarting)).length;
      const workers = machines.flatMap((one) => one.workers!.map((each) => ({ ...each, counts: one.isKnown && !one.isBusy && each.up && !each.restarting, isMeant: one === own && each.worker === '0' })));
      const up = workers.filter(({ counts, isMeant }) => counts && !isMeant).length;
      const areAllOthersUp = workers.every(({ counts, isMeant }) => counts || isMeant);
      return own.isKnown && restarting < max_restarts && (up >= min_up * workers.length || areAllOthersUp);
    }),
  ));
});

t.test('answers, and pauses between attempts', async (t) => {
  t.strictSame([200, 202, 299].map(verdictOf), ['delivered', 'delivered', 'delivered']);
  t.strictSame([401, 403, 408, 425, 429, 500, 502, 503, 599].filter((status) => verdictOf(status) !== 'failed'), []);
  t.strictSame([300, 307, 400, 404, 405, 409, 413, 415, 422].filter((status) => verdictOf(status) !== 'refused'), []);
  const retry = { first: 1000, most: 15_000 };
  t.strictSame([1, 2, 3, 4, 5, 100].map((failures) => pauseMs(failures, retry, null, 0)), [1000, 2000, 4000, 8000, 15_000, 15_000]);
  t.equal(pauseMs(1, retry, null, 1), 800);
  t.equal(pauseMs(1, retry, 5000, 0), 5000, 'as long as the warden asks for');
  t.equal(pauseMs(1, retry, 1e9, 0), 15_000, 'within reason');
});
