import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StateLock } from '../../act/lock.js';
import { parseConfig } from '../../config/parse.js';
import type { Config } from '../../config/schema.js';
import { loadConfig } from '../../config/load.js';
import { ConfigError, HeapwardenError } from '../../errors.js';
import { processSource } from '../../observe/processes.js';
import type { AppStatus } from '../../publish/app-shape.js';
import { DEFAULT_CONFIG_FILE, type DoctorOptions } from '../options.js';
import { judgeAgents, type AgentWorker } from './agents.js';
import { judgeClock } from './clock.js';
import { judgeAccess } from './files.js';
import type { Told, Verdict } from './finding.js';
import { lookAtClock } from './look-clock.js';
import { lookAtStateDir, lookAtToken } from './look-files.js';
import { lookAtPm2 } from './look-pm2.js';
import { lookAtServices } from './look-services.js';
import { accessOf } from '../access.js';
import { answersAt, groupOf, lookAtWarden } from './look-warden.js';
import { agentWorkersOf, boundsOf, workersOf } from './look-workers.js';
import { judgeMemoryLimits } from './memory-limits.js';
import { judgeNotices } from './notices.js';
import { judgeOomPolicy } from './oom-policy.js';
import { judgeOrphans } from './orphans.js';
import { Places } from './places.js';
import { judgePm2Restarts } from './pm2-restarts.js';
import { readProcesses } from './processes.js';
import { judgeWarden } from './warden.js';
import { judgeWrappers } from './wrappers.js';

/** Looks at the whole installation, changes nothing, and judges it. `version`: heapwarden's own. */
export async function examine(options: DoctorOptions, version: string): Promise<Verdict> {
  const named = options.configFile;
  if (named === null && !existsSync(DEFAULT_CONFIG_FILE)) {
    const config = parseConfig('', { file: DEFAULT_CONFIG_FILE });
    const why = `the apps: there is no ${DEFAULT_CONFIG_FILE} here; name yours with --config.file`;
    return joined([{ findings: [], notChecked: [why] }, ...(await examineWith(config, '', options, version))]);
  }
  const file = named ?? DEFAULT_CONFIG_FILE;
  const config = await load(file);
  if ('findings' in config) return config;
  return joined(await examineWith(config, await readFile(file, 'utf8'), { ...options, configFile: file }, version));
}

async function load(file: string): Promise<Config | Verdict> {
  try {
    return await loadConfig(file);
  } catch (error) {
    if (!(error instanceof HeapwardenError)) throw error;
    const common = { code: 'config_invalid', severity: 'problem', app: null } as const;
    const findings =
      error instanceof ConfigError
        ? error.problems.map(({ message, line, source }) => {
            const fix = { file: resolve(file), line, text: source.trim() };
            return { ...common, message: `heapwarden does not start with this config: ${message}`, fix };
          })
        : [{ ...common, message: error.message, fix: null }];
    return { findings, notChecked: ['everything else: it takes a valid config'] };
  }
}

async function examineWith(config: Config, text: string, options: DoctorOptions, version: string): Promise<Verdict[]> {
  const source = processSource();
  const places = new Places(resolve(options.configFile ?? DEFAULT_CONFIG_FILE), text, config.apps);
  const [table, warden, pm2, holder, socketAnswers, socketGroup, clock, token, state] = await Promise.all([
    readProcesses(source),
    accessOf(options).then((access) => lookAtWarden(options.url, access)),
    lookAtPm2(config.apps),
    StateLock.holder(config.state_dir, source),
    answersAt(config.agent_socket),
    groupOf(config.agent_socket),
    lookAtClock(config, options),
    lookAtToken(config.auth.token_file),
    lookAtStateDir(config.state_dir),
  ]);
  const apps = config.apps.map((app) => workersOf(app, { table, warden, pm2, isHeld: holder !== null }));
  const [services, bounds] = await Promise.all([
    lookAtServices(apps),
    Promise.all(apps.map(async (app) => ({ app: app.app, why: app.why ?? whyNoWorkers(app.workers), bounds: await boundsOf(app) }))),
  ]);
  const pm2Apps = map(pm2, (look) => look.apps);
  const statuses =
    'why' in warden
      ? { why: `no heapwarden answers at ${options.url}` }
      : { value: await statusesOf(warden.value, (status) => agentWorkersOf(status, table, holder)) };
  const managed = map(warden, (all) => all.flatMap((status) => (status.managed ? [status.app] : [])));
  const ofPm2 = 'value' in pm2 ? pm2.value.pids : [];
  const wrappers = judgeWrappers(apps, pm2Apps, places);
  const wrapped = new Set(wrappers.findings.flatMap(({ app }) => app ?? []));
  return [
    judgeWarden({
      url: options.url,
      managed,
      configured: config.apps.map(({ name }) => name),
      stateDir: config.state_dir,
      holder,
      socket: config.agent_socket,
      socketAnswers,
    }),
    wrappers,
    judgeOrphans({ table, apps, supervised: [process.pid, ...(holder === null ? [] : [holder]), ...ofPm2] }),
    judgePm2Restarts(pm2Apps, wrapped),
    judgeMemoryLimits({ machine: totalmem(), apps: bounds }, places),
    judgeOomPolicy(services),
    judgeAgents(
      {
        apps: config.apps,
        statuses,
        wardenAgeMs: ageOf(holder === null ? undefined : valueOf(table)?.get(holder)?.startedAtMs),
        version,
        agentEntry: fileURLToPath(import.meta.resolve('heapwarden/agent')),
        socket: { path: config.agent_socket, group: socketGroup },
        pm2: pm2Apps,
      },
      places,
    ),
    judgeAccess({ platform: process.platform, token, state, isInUse: holder !== null }),
    judgeClock(clock),
    judgeNotices(config, places),
  ];
}

async function statusesOf(all: readonly AppStatus[], workersIn: (status: AppStatus) => Promise<AgentWorker[]>) {
  const managed = all.filter((status) => status.managed);
  return new Map(await Promise.all(managed.map(async (status) => [status.app, await workersIn(status)] as const)));
}

function map<T, U>(told: Told<T>, of: (value: T) => U): Told<U> {
  return 'why' in told ? told : { value: of(told.value) };
}

const valueOf = <T>(told: Told<T>): T | undefined => ('value' in told ? told.value : undefined);
const ageOf = (startedAtMs: number | undefined): number | null => (startedAtMs === undefined ? null : Date.now() - startedAtMs);
const whyNoWorkers = (workers: readonly unknown[]): string | null => (workers.length === 0 ? 'no process of it runs' : null);

/** Each thing that could not be checked is said once. */
function joined(verdicts: readonly Verdict[]): Verdict {
  return {
    findings: verdicts.flatMap(({ findings }) => findings),
    notChecked: [...new Set(verdicts.flatMap(({ notChecked }) => notChecked))],
  };
}
