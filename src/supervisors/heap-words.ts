/** Pure: V8's last words in a process that its heap limit ends. */
import { printable } from '../printable.js';

/**
 * `FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory` (Node's api/environment.cc), or
 * `# Fatal JavaScript out of memory: GC during deserialization` (V8's base/logging.cc). One array or table that is
 * larger than V8 has them is refused in nearly the same words and has nothing to do with the limit.
 */
const WORDS =
  /FATAL ERROR: (?!invalid (?:array|table|string) )(.{0,200}?)(?: Allocation failed)? - JavaScript heap out of memory|# Fatal JavaScript out of memory: (.{0,200})/;

/** V8's reason, such as `Reached heap limit`; null where the output holds no such words. */
export function heapOomReason(output: string): string | null {
  const words = WORDS.exec(output);
  const reason = words?.[1] ?? words?.[2];
  return reason === undefined ? null : printable(reason.trim()); // the app can write them, too
}
