import type { IncidentStatus } from '../../publish/incidents.js';
import type { AppStatus } from '../../publish/status.js';
import type { WardenStatus } from '../../http/port.js';

export interface Listener {
  status(status: WardenStatus): void;
  apps(apps: AppStatus[]): void;
  incidents(incidents: IncidentStatus[]): void;
  /** Whether what is shown is fresh. */
  live(isLive: boolean): void;
}

const AGAIN_MS = 3000;

/** Follows the warden; a browser that was turned away (a proxy's 502, say) does not try again by itself. */
export function follow(listener: Listener): void {
  const source = new EventSource('api/v1/stream');
  const on = <T>(event: string, tell: (data: T) => void): void => {
    source.addEventListener(event, (message: MessageEvent<string>) => tell(JSON.parse(message.data) as T));
  };
  on<WardenStatus>('status', (status) => listener.status(status));
  on<{ apps: AppStatus[] }>('apps', ({ apps }) => listener.apps(apps));
  on<{ incidents: IncidentStatus[] }>('incidents', ({ incidents }) => listener.incidents(incidents));
  source.addEventListener('open', () => listener.live(true));
  source.addEventListener('error', () => {
    listener.live(false);
    if (source.readyState !== EventSource.CLOSED) return;
    source.close();
    setTimeout(() => follow(listener), AGAIN_MS);
  });
}
