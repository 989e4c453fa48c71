/** The supervisor, and the shipped unit, under a real systemd: what stands in systemd-inside.ts is run beside it. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { needParts } from '../parts/index.js';
import { bootSystemd } from '../parts/systemd.js';

for (const file of ['systemd-inside.ts', 'systemd-deploy.ts']) {
  t.test(file, async (t) => {
    const parts = needParts(t, 'systemd', 'dbus-daemon', 'polkitd');
    if (!parts) return;
    const [program, ...enter] = (await bootSystemd(t, parts)).enter;
    const path = fileURLToPath(new URL(file, import.meta.url));
    // tap's own preloads would write into the repository, which cannot be written there.
    const node = ['/usr/bin/env', '-u', 'NODE_OPTIONS', process.execPath, '--import=tsx', path];
    await t.spawn(program!, [...enter, ...node], file);
  });
}
