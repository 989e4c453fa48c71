import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../clock.js';
import type { AppConfig } from '../config/schema.js';
import { HeapwardenError } from '../errors.js';
import type { Log } from '../log.js';
import { ChildSupervisor, type ChildParts } from './child.js';
import type { Drain, ProcessFinder, ProcessTable, Supervisor } from './contract.js';
import { DockerSupervisor } from './docker.js';
import { DockerEngine, dockerSocket } from './docker-engine.js';
import { ExternalSupervisor } from './external.js';
import type { Leftovers } from './leftovers.js';
import { Pm2Supervisor, pm2Home } from './pm2.js';
import type { Pm2Client } from './pm2-rpc.js';
import type { Systemctls } from './systemctl.js';
import { SystemdSupervisor } from './systemd.js';
import { unitRef } from './systemd-unit.js';

export interface SupervisorParts {
  agentSocket: string;
  processes: ProcessTable;
  finder: ProcessFinder;
  leftovers: Leftovers;
  /** One for all its apps, so that one list serves them. */
  pm2: Pm2Client;
  /** One for all apps of a service manager, as with PM2. */
  systemctls: Systemctls;
  drain: Drain;
  /** The app's config as it is now; null where it is no longer configured. */
  appConfig(name: string): AppConfig | null;
  clock: Clock;
  log: Log;
  onOutput: ChildParts['onOutput'];
}

/** The supervisor that an app's config names. Throws HeapwardenError CONFIG_INVALID for one that is not available. */
export function createSupervisor(app: AppConfig, parts: SupervisorParts): Supervisor {
  const { child, pm2, systemd, docker, external } = app.supervisor;
  if (child) {
    const agentEntry = app.runtime === 'agent' ? fileURLToPath(import.meta.resolve('heapwarden/agent')) : null;
    // As it is when it is needed: a reload may change it, and the app itself is not touched by that.
    const stopTimeoutMs = () => (parts.appConfig(app.name) ?? app).restart.stop_timeout;
    return new ChildSupervisor({ ...parts, app: app.name, config: child, agentEntry, stopTimeoutMs });
  }
  if (pm2 !== undefined) {
    const readyMessageMs = () => {
      const { ready } = (parts.appConfig(app.name) ?? app).restart;
      return ready?.pm2 ? ready.timeout : null;
    };
    const home = pm2Home(process.env, homedir());
    return new Pm2Supervisor({ ...parts, name: pm2, home, client: parts.pm2, readyMessageMs });
  }
  if (docker !== undefined) {
    const engine = new DockerEngine({ socketPath: dockerSocket(process.env) });
    // A check that the config names is asked in its place.
    const asksHealth = () => (parts.appConfig(app.name) ?? app).restart.ready === undefined;
    return new DockerSupervisor({ ...parts, app: app.name, config: docker, engine, asksHealth });
  }
  if (systemd !== undefined) return new SystemdSupervisor({ ...parts, app: app.name, unit: unitRef(systemd) });
  if (external) return new ExternalSupervisor({ ...parts, app: app.name, config: external });
  throw new HeapwardenError('CONFIG_INVALID', `${app.name}: its supervisor is not available in this version`);
}
