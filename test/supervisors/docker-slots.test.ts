import t from 'tap';
import { placeContainers, type Placeable } from '../../src/supervisors/docker-slots.js';

const plain = (...names: string[]): Placeable[] => names.map((name) => ({ name, composeNumber: null }));
const composed = (name: string, composeNumber: number): Placeable => ({ name, composeNumber });
const place = (before: [string, number][], containers: Placeable[]) =>
  [...placeContainers(new Map(before), containers)].toSorted(([, a], [, b]) => a - b);

t.strictSame(place([], plain('b', 'a', 'c')), [['a', 0], ['b', 1], ['c', 2]], 'in the order of their names at first');
t.strictSame(place([['b', 0]], plain('a', 'b')), [['b', 0], ['a', 1]], 'who was there keeps its slot');
t.strictSame(place([['a', 0], ['b', 1]], plain('b')), [['a', 0], ['b', 1]], "one that has gone keeps its own, while nobody takes it");
t.strictSame(place([['a', 0], ['b', 1]], plain('b', 'c')), [['c', 0], ['b', 1]], 'a new one does');
t.strictSame(place([['c', 0], ['b', 1]], plain('a', 'b', 'c')), [['c', 0], ['b', 1], ['a', 2]], 'then the first one has to look for another');
t.strictSame(place([], [composed('p-x-3', 3), composed('p-x-1', 1)]), [['p-x-1', 0], ['p-x-3', 2]], 'the number of compose');
t.strictSame(place([['old', 0]], [composed('p-x-1', 1), ...plain('old')]), [['p-x-1', 0], ['old', 1]]);
t.strictSame(place([], [composed('q-x-1', 1), composed('p-x-1', 1)]), [['p-x-1', 0], ['q-x-1', 1]], 'of two services with one number');
t.strictSame(place([['q-x-1', 1]], [composed('q-x-1', 1), composed('p-x-1', 1)]), [['p-x-1', 0], ['q-x-1', 1]]);

const making = [composed('0a1b2c3d4e5f_p-x-1', 1), composed('p-x-1', 1)];
t.strictSame(place([['p-x-1', 0]], making), [['p-x-1', 0], ['0a1b2c3d4e5f_p-x-1', 1]], 'compose makes the new one beside the old');
t.strictSame(place([['p-x-1', 0], ['0a1b2c3d4e5f_p-x-1', 1]], [making[0]!]), [['0a1b2c3d4e5f_p-x-1', 0]], 'which goes, so that it has its slot');
t.strictSame(place([['0a1b2c3d4e5f_p-x-1', 0]], [making[1]!]), [['p-x-1', 0]], 'also when it gets its name');
