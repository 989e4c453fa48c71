import { homedir, userInfo } from 'node:os';
import { memoryCgroup, readCgroup } from '../../observe/cgroup.js';
import type { ServiceFacts } from './oom-policy.js';
import { readUnit, type Service } from './service.js';
import type { AppWorkers } from './workers.js';

/**
 * The services in which the apps' processes are, and the one that `pm2 startup` makes for this user. Not the unit that is
 * the app: it has to be started again in any case, and with `OOMPolicy=continue` it would not say Result=oom-kill, by
 * which alone such a death of it is known.
 */
export async function lookAtServices(apps: readonly AppWorkers[]): Promise<ServiceFacts[]> {
  if (process.platform !== 'linux') return [];
  const found = new Map<string, { service: Service; apps: Set<string> }>();
  const add = (service: Service, app: string): void => {
    const known = found.get(service.name) ?? { service, apps: new Set() };
    found.set(service.name, { ...known, apps: known.apps.add(app) });
  };
  for (const { app, workers } of apps) {
    const services = app.supervisor.systemd === undefined ? workers.flatMap(({ tree }) => tree[0]!.service ?? []) : [];
    for (const service of services) add(service, app.name);
  }
  const underPm2 = apps.filter(({ app }) => app.supervisor.pm2 !== undefined);
  const ofPm2 = underPm2.length > 0 ? pm2Service() : null;
  if (ofPm2 && (await readUnit(ofPm2, homedir())) !== null) for (const { app } of underPm2) add(ofPm2, app.name);
  const cgroupVersion = memoryCgroup((await readCgroup(process.pid)) ?? '', '/')?.version ?? 1;
  return Promise.all(
    [...found.values()].map(async ({ service, apps: names }) => {
      return { ...service, apps: [...names], unit: await readUnit(service, homedir()), cgroupVersion };
    }),
  );
}

/** null for a user without a name, as a container's may be: no unit can bear it. */
function pm2Service(): Service | null {
  try {
    return { name: `pm2-${userInfo().username}.service`, isUser: false };
  } catch {
    return null;
  }
}
