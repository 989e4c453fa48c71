/** Pure: what `--max-old-space-size` should be, and what it makes of resident memory. Bytes. */

const MIB = 2 ** 20;
const STEP = 16 * MIB;

/**
 * What V8's heap limit (heap_size_limit) has room for beside `--max-old-space-size`: the young generation, three
 * semi-spaces (Heap::MaxReserved in V8's src/heap/heap.cc). As measured with Node.js 18.20 to 22.23, 24.21 and 26.10
 * on 64-bit Linux: limit minus flag. Of a version that has not been measured it is taken to be the largest of them.
 */
const YOUNG_MIB: Readonly<Record<string, number>> = { 18: 48, 20: 48, 22: 48, 24: 192, 26: 96 };

export function youngBytes(node: string): number {
  return (YOUNG_MIB[node.split('.')[0] ?? ''] ?? Math.max(...Object.values(YOUNG_MIB))) * MIB;
}

/**
 * Of what lives in the heap. With three times that, programs ran 17 % slower in the mean than with memory that is freed
 * by hand, with twice that nearly 70 %: Hertz and Berger (2005), Quantifying the Performance of Garbage Collection vs.
 * Explicit Memory Management, doi:10.1145/1094811.1094836. It is the order of the thing, measured on another VM.
 */
const COMFORTABLE = 3;
export const TIGHT = 2;
/** Of a restart limit: what V8 alone must never fill, as its figures and the kernel's are not the same. */
const FILLED = 0.9;

/** An old space in which so much can live without much collecting. */
export const oldSpaceFor = (live: number): number => Math.ceil((COMFORTABLE * live) / STEP) * STEP;

/**
 * The largest old space with which heap, young generation and all that is `outside` the heap stay below a restart limit
 * for resident memory; 0 or less where there is none.
 */
export const oldSpaceUnder = (restartLimit: number, outside: number, young: number): number =>
  Math.floor((FILLED * restartLimit - outside - young) / STEP) * STEP;

/** The restart limit for resident memory that goes with an old space; the inverse of the above. */
export const restartLimitFor = (oldSpace: number, outside: number, young: number): number =>
  roundedUp((oldSpace + outside + young) / FILLED);

/** As it is written: `--max-old-space-size=432` counts MiB (https://nodejs.org/api/cli.html). */
export const oldSpaceFlag = (bytes: number): string => `--max-old-space-size=${Math.round(bytes / MIB)}`;

/** To two digits, upwards: a suggestion is no more exact than that. */
export function roundedUp(bytes: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(bytes)) - 1);
  return Math.ceil(bytes / step) * step;
}
