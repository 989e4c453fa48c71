/** The bench in small: nothing is lost while wardens are away and the relay is killed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { waitFor } from '../integration/wait.js';
import type { SimulatedOptions } from './simulated-warden.js';
import { Storm } from './storm.js';

const PATIENCE_MS = 60_000;

function stormOf(t: Test, count: number, options: Partial<SimulatedOptions> = {}): Storm {
  const dir = mkdtempSync(join(tmpdir(), 'hw-storm-'));
  const storm = new Storm(dir, count, { apps: { shop: 3 }, ...options });
  t.teardown(async () => {
    await storm.close();
    if (!t.passing()) t.comment(storm.log);
    rmSync(dir, { recursive: true, force: true });
  });
  return storm;
}

t.test('a storm from 40 machines, of which 4 are down and come back, and a relay that is killed in it', async (t) => {
  const storm = stormOf(t, 40);
  await storm.start('retry: { first: 200ms, most: 500ms }');
  const down = storm.wardens.slice(0, 4);
  await Promise.all(down.map((warden) => warden.stop()));
  let killed: Promise<void> | null = null;
  const { alerts, again } = await storm.send(storm.wardens, 3, (answered) => {
    if (answered === 60) killed = storm.endRelay('SIGKILL').then(() => storm.startRelay());
  });
  await killed!;
  t.ok(again > 0, 'Alertmanager had to send some again');
  await waitFor('all but those of the four to arrive', () => storm.missing(alerts) === 12, PATIENCE_MS);
  await Promise.all(down.map((warden) => warden.start()));
  await storm.allArrived(alerts, PATIENCE_MS);
});

t.test('the brake holds in a storm', async (t) => {
  let [now, most] = [0, 0];
  const onRestart = (_app: string, change: 1 | -1) => void (most = Math.max(most, (now += change)));
  const storm = stormOf(t, 20, { apps: { shop: 1 }, restartMs: 200, onRestart });
  await storm.start('brake: { max_restarts: 5, min_up: 50%, refresh_interval: 200ms }');
  const { alerts } = await storm.send(storm.wardens, 1);
  await storm.allArrived(alerts, PATIENCE_MS);
  t.ok(most >= 2 && most <= 5, `${most} at once`);
});
