import type { IncidentStatus } from '../../publish/incident-shape.js';
import type { AppStatus } from '../../publish/app-shape.js';
import type { WardenStatus } from '../../http/port.js';

export interface Listener {
  status(status: WardenStatus): void;
  apps(apps: AppStatus[]): void;
  incidents(incidents: IncidentStatus[]): void;
  /** Whether what is shown is fresh. */
  live(isLive: boolean): void;
}

/** Milliseconds, all. */
const AGAIN_MS = 3000;
const LOOK_MS = 1000;
/** Silence beyond some rounds that a slow connection may need for one. */
const SLACK_MS = 5000;
const ROUNDS = 3;
/** Before anything is known of the warden's pace. */
const FIRST_ROUND_MS = 5000;
/** A connection whose other end has gone without a word is given up; a slow one must not be. */
const GIVE_UP_MS = 60_000;

/** Follows the warden for as long as the page is there. */
export function follow(listener: Listener): void {
  const source = new EventSource('api/v1/stream');
  let heardAt = performance.now();
  let roundMs = FIRST_ROUND_MS;
  let isLive: boolean | null = null;
  const tell = (now: boolean): void => {
    if (isLive !== now) listener.live((isLive = now));
  };
  const on = <T>(event: string, take: (data: T) => void): void => {
    source.addEventListener(event, (message: MessageEvent<string>) => {
      heardAt = performance.now();
      take(JSON.parse(message.data) as T);
      tell(true);
    });
  };
  on<WardenStatus>('status', (status) => {
    roundMs = status.sample_interval_seconds * 1000;
    listener.status(status);
  });
  on<{ apps: AppStatus[] }>('apps', ({ apps }) => listener.apps(apps));
  on<{ incidents: IncidentStatus[] }>('incidents', ({ incidents }) => listener.incidents(incidents));

  const again = (afterMs: number): void => {
    clearInterval(watch);
    source.close();
    setTimeout(() => follow(listener), afterMs);
  };
  // A warden that hangs, or a network that has gone, ends no connection: it is the silence that tells.
  const watch = setInterval(() => {
    const silentMs = performance.now() - heardAt;
    if (silentMs > ROUNDS * roundMs + SLACK_MS) tell(false);
    if (silentMs > Math.max(GIVE_UP_MS, 2 * ROUNDS * roundMs)) again(0);
  }, LOOK_MS);
  source.addEventListener('error', () => {
    tell(false);
    // A browser that was turned away (a proxy's 502, say) does not try again by itself.
    if (source.readyState === EventSource.CLOSED) again(AGAIN_MS);
  });
}
