/** What is done to the warden and to those around it, drawn from a seed. One thing at a time; two servers may lie down longer. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Disk, pause, type Arena, type Part } from './arena.js';
import { between, oneOf } from './seeded.js';

export interface ChaosOptions {
  random: () => number;
  /** Monotonic milliseconds from now on: until when the warden is killed, and until when anything is done. */
  killForMs: number;
  forMs: number;
  /** Its disk is one that can be filled. */
  hasDisk: boolean;
  signal: AbortSignal;
  tell(what: string): void;
}

const HOURS = 3_600_000;
/** Milliseconds that the warden's clock is ahead of the real one; back to it every other time. */
const CLOCKS = [5_000, -5_000, 60_000, -60_000, HOURS, -HOURS, 12 * HOURS];

/** Resolves when its time is over, with how often each thing was done; all is as it was then. */
export async function wreakChaos(arena: Arena, options: ChaosOptions): Promise<Map<string, number>> {
  const { random, killForMs, forMs, hasDisk, signal, tell } = options;
  const { warden, prometheus, alertmanager, dir } = arena;
  const startedAt = performance.now();
  const counts = new Map<string, number>();
  const disk = new Disk(dir);
  let aheadMs = 0;

  const setClock = (ms: number): void => {
    aheadMs = ms;
    writeFileSync(join(dir, 'ahead'), String(ms));
    warden.signal('SIGUSR2');
    warden.write({ deed: 'clock', aheadMs: ms });
  };
  const toggle = async (part: Part): Promise<string> => {
    if (part.isUp) await part.stop();
    else await part.start();
    return `${part.name} ${part.isUp ? 'started' : 'stopped'}`;
  };
  const kill = async (): Promise<string> => {
    await warden.kill();
    await pause(between(random, 500, 8000), signal);
    await warden.start();
    return 'the warden killed and started again';
  };
  const fill = async (): Promise<string> => {
    warden.write({ deed: 'full' });
    disk.fill();
    await pause(between(random, 5000, 15_000), signal);
    disk.free();
    warden.write({ deed: 'room' });
    return "the warden's disk filled and emptied";
  };
  const clock = async (): Promise<string> => {
    setClock(aheadMs === 0 ? oneOf(random, CLOCKS) : 0);
    return "the warden's clock moved";
  };
  const reload = async (): Promise<string> => {
    warden.signal('SIGHUP');
    return 'the warden reloaded';
  };
  const deeds = [kill, kill, clock, clock, reload, () => toggle(prometheus), () => toggle(alertmanager), ...(hasDisk ? [fill, fill] : [])];
  // Each once, in an order that the seed gives, before any comes again.
  let bag: (() => Promise<string>)[] = [];
  for (;;) {
    await pause(between(random, 4000, 14_000), signal);
    const passed = performance.now() - startedAt;
    if (passed >= forMs) break;
    if (bag.length === 0) bag = [...deeds];
    const [deed] = bag.splice(Math.floor(random() * bag.length), 1);
    if (deed === kill && passed >= killForMs) continue;
    const what = await deed!();
    tell(what);
    counts.set(what, (counts.get(what) ?? 0) + 1);
    if (!warden.isAlive) throw new Error(`the warden has ended by itself:\n${warden.log().slice(-5000)}`);
  }
  if (aheadMs !== 0) setClock(0);
  for (const part of [alertmanager, prometheus]) await part.start();
  return counts;
}
