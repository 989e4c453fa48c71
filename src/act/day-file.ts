/** Pure: the last day of every worker as a file. */
import { endianness } from 'node:os';
import { DAY_RING, DayRing, type DayPage, DAY_COLUMNS } from '../observe/day.js';

/**
 * One line of JSON, then the rings' cells as 32-bit floats (little-endian), in the order of `workers`:
 * `{"v":1,"slice_ms":120000,"slices":720,"columns":[…],"workers":[{"app":"shop","worker":"0","newest":14958703}]}`.
 */
interface Head {
  v: 1;
  slice_ms: number;
  slices: number;
  columns: string[];
  workers: { app: string; worker: string; newest: number }[];
}

type Kept = Pick<DayPage, 'app' | 'worker' | 'day'>;

const SHAPE = { v: 1, slice_ms: DAY_RING.sliceMs, slices: DAY_RING.slices, columns: Object.keys(DAY_COLUMNS) } as const;
const CELLS = DAY_RING.slices * SHAPE.columns.length;
const BYTES = CELLS * Float32Array.BYTES_PER_ELEMENT;

/** In pieces, the cells as they are in memory: nothing large is copied. */
export function dayFile(pages: readonly Kept[]): Uint8Array[] {
  const workers = pages.map(({ app, worker, day: { newest } }) => ({ app, worker, newest }));
  const head: Head = { ...SHAPE, columns: [...SHAPE.columns], workers };
  return [Buffer.from(`${JSON.stringify(head)}\n`), ...pages.map(({ day }) => inFileOrder(new Uint8Array(day.cells.buffer)))];
}

/** Null for anything that is not such a file, whole, and of this shape. */
export function parseDayFile(file: Buffer): Kept[] | null {
  const end = file.indexOf('\n');
  const head = end < 0 ? null : headOf(file.toString('utf8', 0, end));
  if (!head || file.length !== end + 1 + head.workers.length * BYTES) return null;
  return head.workers.map(({ app, worker, newest }, i) => {
    const bytes = inFileOrder(Uint8Array.from(file.subarray(end + 1 + i * BYTES, end + 1 + (i + 1) * BYTES)));
    return { app, worker, day: new DayRing(DAY_RING, new Float32Array(bytes.buffer), newest) };
  });
}

function headOf(line: string): Head | null {
  try {
    const { workers, ...shape } = JSON.parse(line) as Head;
    const isOurs = JSON.stringify(shape) === JSON.stringify(SHAPE) && Array.isArray(workers);
    const areWhole = isOurs && workers.every(({ app, worker, newest }) => typeof app === 'string' && typeof worker === 'string' && Number.isSafeInteger(newest));
    return areWhole ? { ...shape, workers } : null;
  } catch {
    return null;
  }
}

function inFileOrder(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return endianness() === 'LE' ? bytes : new Uint8Array(Buffer.from(bytes).swap32().buffer);
}
