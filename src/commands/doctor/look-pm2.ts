import { homedir } from 'node:os';
import { systemClock } from '../../clock.js';
import type { AppConfig } from '../../config/schema.js';
import { messageOf } from '../../errors.js';
import { pm2Home } from '../../supervisors/pm2.js';
import { Pm2Client } from '../../supervisors/pm2-rpc.js';
import { readEcosystem } from './ecosystem.js';
import type { Told } from './finding.js';
import { pm2Limits, type Pm2App } from './pm2-app.js';

export interface Pm2Look {
  apps: Pm2App[];
  /** Of every process that PM2 runs, also of apps that are not configured. */
  pids: number[];
}

/** Asks PM2 for its list, and for nothing else; not at all where no app is under PM2. */
export async function lookAtPm2(configured: readonly AppConfig[]): Promise<Told<Pm2Look>> {
  const wanted = configured.flatMap((app) => (app.supervisor.pm2 === undefined ? [] : [{ app, name: app.supervisor.pm2 }]));
  if (wanted.length === 0) return { value: { apps: [], pids: [] } };
  const client = new Pm2Client({ home: pm2Home(process.env, homedir()), clock: systemClock });
  try {
    const list = await client.listWithSettings();
    const apps = wanted.map(async ({ app, name }): Promise<Pm2App> => {
      const own = list.filter((entry) => entry.process.name === name);
      const cwd = own[0]?.settings['pm_cwd'];
      return {
        app,
        name,
        pids: own.flatMap((entry) => entry.process.pid ?? []),
        ...pm2Limits(own.map(({ settings }) => settings)),
        ecosystem: typeof cwd === 'string' ? await readEcosystem(cwd) : null,
      };
    });
    return { value: { apps: await Promise.all(apps), pids: list.flatMap((entry) => entry.process.pid ?? []) } };
  } catch (error) {
    return { why: messageOf(error) };
  } finally {
    client.close();
  }
}
