import { hello } from './hello.cjs';
import { Link } from './link.cjs';
import { createMeter } from './meter.cjs';

/** Measures this process and reports to the warden for as long as the process lives. */
export function start(): void {
  const meter = createMeter();
  new Link({ hello, stats: () => meter.read() }).open();
}
