import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Config } from '../../config/schema.js';
import type { PeerUrls } from '../options.js';
import { ask } from './ask.js';
import { offsetOf, type ClockFacts, type Offset } from './clock.js';
import type { Told } from './finding.js';
import { lookAtAlerts } from './look-files.js';

/** Where they listen unless told otherwise, and what names another place. */
const PEERS = [
  { name: 'Prometheus', key: 'prometheusUrl', flag: '--prometheus.url=URL', byDefault: 'http://127.0.0.1:9090' },
  { name: 'Alertmanager', key: 'alertmanagerUrl', flag: '--alertmanager.url=URL', byDefault: 'http://127.0.0.1:9093' },
] as const;

export async function lookAtClock(config: Config, urls: PeerUrls): Promise<ClockFacts> {
  // Without Alertmanager nothing rests on their clocks; one that is named is asked all the same.
  const wanted = PEERS.flatMap(({ name, key, flag, byDefault }) => {
    const url = urls[key] ?? (config.trigger === 'embedded' ? null : byDefault);
    return url === null ? [] : [{ name, flag, url }];
  });
  const [synchronized, alertAheadMs, peers] = await Promise.all([
    isSynchronized(),
    lookAtAlerts(config.state_dir),
    Promise.all(wanted.map(async (peer) => ({ ...peer, offset: await offsetAt(peer.url) }))),
  ]);
  return { trigger: config.trigger, synchronized, peers, alertAheadMs };
}

async function offsetAt(url: string): Promise<Told<Offset>> {
  const answer = await ask(url, '-/healthy');
  if ('why' in answer) return { why: `nothing answers at ${url} (${answer.why})` };
  const { date, askedMs, answeredMs } = answer.value;
  const offset = offsetOf(date, askedMs, answeredMs);
  return offset ? { value: offset } : { why: `what answers at ${url} has no Date header` };
}

/** The kernel's own word (adjtimex(2)), whoever keeps the clock: timedatectl(1). */
async function isSynchronized(): Promise<Told<boolean>> {
  try {
    const { stdout } = await promisify(execFile)('timedatectl', ['show', '--property=NTPSynchronized', '--value'], { timeout: 5000 });
    const word = stdout.trim();
    return word === 'yes' || word === 'no' ? { value: word === 'yes' } : { why: `timedatectl says "${word}"` };
  } catch (error) {
    const { stderr, code } = error as { stderr?: string; code?: unknown };
    const said = (stderr ?? '').trim().split('\n')[0] || String(code);
    return { why: code === 'ENOENT' ? 'there is no timedatectl' : `timedatectl says: ${said}` };
  }
}
