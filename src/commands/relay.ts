import { systemClock } from '../clock.js';
import { HeapwardenError } from '../errors.js';
import { WebConfigFile } from '../http/web-config/web-config-file.js';
import { createLog, openSink } from '../logger.js';
import { loadRelayConfig } from '../relay/config.js';
import { Relay } from '../relay/relay.js';
import type { RelayCommandOptions } from './options.js';
import { reloadRequests, stackOf, stopRequests } from './signals.js';

/** `heapwarden relay`: runs until it is told to stop. Resolves to the exit status, with every log line written. */
export async function relay(options: RelayCommandOptions, version: string): Promise<number> {
  const { configFile, webConfigFile, allowedHosts, level, format } = options;
  const sink = openSink(2);
  const log = createLog(format, level, sink);
  const stop = stopRequests(log);
  const reload = reloadRequests();
  try {
    const config = await loadRelayConfig(configFile);
    const webConfig = webConfigFile === null ? null : await WebConfigFile.open(webConfigFile);
    const running = await stop.during(Relay.start({ version, config, webConfig, allowedHosts, clock: systemClock, log }));
    log.info(`heapwarden ${version} relays alerts`);
    log.info(`webhook      ${running.url}/api/v1/alerts`);
    log.info(`metrics      ${running.url}/metrics`);
    log.info(`token file   ${config.auth.token_file}`);
    reload.serveWith(() => void running.reload().catch(() => {})); // it has logged its failure
    const { status, message } = await stop.requested;
    log[status === 0 ? 'info' : 'error'](message);
    await running.close();
    log.info('heapwarden relay has stopped');
    return status;
  } catch (error) {
    log.error(error instanceof HeapwardenError ? error.message : `the relay could not start: ${stackOf(error)}`);
    return 1;
  } finally {
    stop.close();
    reload.close();
    sink.flushSync();
  }
}
