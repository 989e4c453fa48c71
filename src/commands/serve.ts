import { existsSync } from 'node:fs';
import { systemClock } from '../clock.js';
import { noticesOf, unsupportedIn } from '../config/notices.js';
import type { Config } from '../config/schema.js';
import { ConfigStore } from '../config/store.js';
import { HeapwardenError } from '../errors.js';
import { WebConfigFile } from '../http/web-config/web-config-file.js';
import type { Log } from '../log.js';
import { createLog, openSink } from '../logger.js';
import { OutputRelay } from '../output.js';
import { Warden } from '../warden.js';
import { readConfig } from './config.js';
import { DEFAULT_CONFIG_FILE, type ServeOptions } from './options.js';
import { LAST_STOP_MS, reloadRequests, stackOf, stopRequests } from './signals.js';

/** `heapwarden serve`: runs until it is told to stop. Resolves to the exit status, with every log line written. */
export async function serve(options: ServeOptions, version: string): Promise<number> {
  const sinks = { stdout: openSink(1), stderr: openSink(2) };
  const log = createLog(options.format, options.level, sinks.stderr);
  const output = new OutputRelay((stream, text) => sinks[stream].write(text), { named: options.format === 'text' });
  const stop = stopRequests(log);
  const reload = reloadRequests();
  try {
    const config = await startupConfig(options.configFile, log);
    const warden = await stop.during(Warden.start({
      version,
      config,
      listen: options.listen,
      metricsPath: options.metricsPath,
      webConfig: options.webConfigFile === null ? null : await WebConfigFile.open(options.webConfigFile),
      allowedHosts: options.allowedHosts,
      clock: systemClock,
      log,
      onOutput: (app, worker, stream, chunk) => output.push(app, worker, stream, chunk),
    }));
    welcome(warden, config.current, options, log);
    reload.serveWith(() => void warden.reload().catch(() => {})); // it has logged its failure
    const { status, message } = await stop.requested;
    log[status === 0 ? 'info' : 'error'](message);
    const closed = warden.close().then(() => true);
    const inTime = status === 0 ? await closed : await Promise.race([closed, systemClock.sleep(LAST_STOP_MS).then(() => false)]);
    if (!inTime) log.error('not everything could be stopped in time');
    else log.info('heapwarden has stopped');
    return status;
  } catch (error) {
    log.error(error instanceof HeapwardenError ? error.message : `heapwarden could not start: ${stackOf(error)}`);
    return 1;
  } finally {
    output.close();
    stop.close();
    reload.close();
    sinks.stdout.flushSync();
    sinks.stderr.flushSync();
  }
}

async function startupConfig(named: string | null, log: Log): Promise<ConfigStore> {
  // A file that was there at the start and has gone since is missing, not a wish for none.
  const file = named ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : null);
  const load = async () => {
    const config = await readConfig(file);
    const [unsupported] = unsupportedIn(config);
    if (unsupported) throw new HeapwardenError('CONFIG_INVALID', unsupported.message);
    return config;
  };
  const config = await load();
  for (const { message } of noticesOf(config)) log.warn(message);
  return new ConfigStore(config, load, systemClock);
}

function welcome(warden: Warden, config: Config, options: ServeOptions, log: Log): void {
  const apps = warden.apps().map(({ app, supervisor, workers }) => `${app} (${supervisor}, ${workers.length} ${workers.length === 1 ? 'worker' : 'workers'})`);
  log.info(`heapwarden ${warden.version} watches ${apps.length === 0 ? 'no app yet' : apps.join(', ')}`);
  log.info(`status page  ${warden.url}/`);
  log.info(`metrics      ${warden.url}${options.metricsPath}`);
  log.info(`token file   ${config.auth.token_file}`);
  if (options.configFile === null && !existsSync(DEFAULT_CONFIG_FILE)) {
    log.info(`there is no ${DEFAULT_CONFIG_FILE} here: apps whose agents report in are shown, and nothing is restarted`);
  }
}
