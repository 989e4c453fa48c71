import t from 'tap';
import { runtimeFamilies } from '../../src/publish/runtime.js';
import { MB, workerOf } from '../decide/support.js';
import { VIEW } from './support.js';

const told = (heapUsed: number, rss: number): number[] => {
  const worker = workerOf({ rssBytes: rss, childrenRssBytes: 900 * MB, stats: { heap_used: heapUsed } });
  const family = runtimeFamilies({ ...VIEW, workers: [worker] }).find(({ name }) => name === 'heapwarden_agent_contradicted');
  return [...family!.values].map(({ value }) => value);
};

t.test('an agent that claims more heap than its process has memory is contradicted by what is measured from outside', async (t) => {
  t.strictSame(told(79 * MB, 80 * MB), [0]);
  t.strictSame(told(81 * MB, 80 * MB), [1], 'its children are no excuse');
  const silent = runtimeFamilies({ ...VIEW, workers: [workerOf({ pid: null })] });
  t.strictSame([...silent.find(({ name }) => name === 'heapwarden_agent_contradicted')!.values], []);
});
