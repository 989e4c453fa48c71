import * as fc from 'fast-check';

/** One part of heapwarden that reads what others wrote, and what must hold whatever that is. */
export interface Target {
  name: string;
  property: fc.IAsyncProperty<[unknown]>;
}

/**
 * Milliseconds of processor time. Nothing here has more than some kilobytes to read: so much means that it grows faster
 * than its input.
 */
const MOST_MS = 2000;

/** `holds` throws where it does not. To compute for longer than that is a fault as well. */
export function target<T>(name: string, input: fc.Arbitrary<T>, holds: (input: T) => void | Promise<void>): Target {
  const property = fc.asyncProperty(input, async (value) => {
    onInput(value);
    const before = process.cpuUsage();
    await holds(value);
    const { user, system } = process.cpuUsage(before);
    const tookMs = (user + system) / 1000;
    if (tookMs > MOST_MS) throw new Error(`it computed for ${tookMs.toFixed(0)} ms`);
  });
  return { name, property: property as unknown as Target['property'] };
}

let tellInput: (input: string) => void = () => {};

/** Told each input before it is tried, so that one on which it hangs is known. */
export function listen(listener: (input: string) => void): void {
  tellInput = listener;
}

const onInput = (value: unknown): void => tellInput(fc.stringify(value));

export interface RunOptions {
  seconds: number;
  seed: number;
}

/** As often as the time allows; what was found first, made as small as it can be. */
export async function run({ property }: Target, { seconds, seed }: RunOptions): Promise<{ runs: number; found: string | null }> {
  const end = Date.now() + seconds * 1000;
  let runs = 0;
  for (let round = 0; Date.now() < end; round++) {
    const details = await fc.check(property, {
      seed: seed + round,
      numRuns: 1000,
      interruptAfterTimeLimit: Math.max(1, end - Date.now()),
      markInterruptAsFailure: false,
      endOnFailure: false,
    });
    runs += details.numRuns;
    // Its time may be over before the first input; that is no find.
    if (details.failed && details.counterexample !== null) return { runs, found: fc.defaultReportMessage(details) ?? 'it failed' };
  }
  return { runs, found: null };
}
