import { Drainage } from './drain.cjs';
import { hello } from './hello.cjs';
import { Link } from './link.cjs';
import { createMeter } from './meter.cjs';
import { Servers } from './servers.cjs';
import { SharedPort } from './shared-port.cjs';
import { StopSignals } from './signals.cjs';

/** Measures this process and reports to the warden for as long as the process lives. */
export function start(): void {
  const servers = new Servers();
  servers.watch(SharedPort.inherit(process.env));
  const drainage = new Drainage(servers);
  const signals = new StopSignals(drainage);
  const meter = createMeter();
  const source = {
    hello,
    stats: () => meter.read(),
    drain: (timeoutMs: number) => drainage.drain(timeoutMs),
    arm: (timeoutMs: number) => signals.arm(timeoutMs),
  };
  new Link(source).open();
}
