import type { Clock } from '../clock.js';
import type { Webhook } from '../decide/alerts.js';

/** Of a webhook's alert, what a warden reads. */
export type RelayedAlert = Webhook['alerts'][number];

/** An alert on its way to one warden. */
export interface Delivery {
  readonly instance: string;
  readonly alert: RelayedAlert;
  /** Of memory, roughly. */
  readonly bytes: number;
  /** When it came first; milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  /** It asks for a restart, and there is a brake. */
  readonly isBraked: boolean;
  /** When Alertmanager last told of it, by the clock that never jumps: nothing ages by a change of the time of day. */
  heardAt: number;
  /** The brake holds it. */
  isHeld: boolean;
  /** Not before this, by that clock, where it is held. */
  dueAt: number;
  /** When the brake let it go that has not been answered since; as sinceMs. */
  releasedAtMs: number | null;
  isOnDisk: boolean;
  attempts: number;
  /** Why it has not been delivered yet. */
  problem: string | null;
}

/** The alert with what a warden needs of it and no more: annotations are long, and for people. */
export function relayed({ status, labels, startsAt, endsAt, fingerprint }: RelayedAlert): RelayedAlert {
  return { status, labels, startsAt, ...(endsAt !== undefined && { endsAt }), fingerprint };
}

/** It has resolved: whether anybody hears of that or not, nothing is restarted for it. */
export const isOver = ({ status }: RelayedAlert): boolean => status === 'resolved';

/** Heard, and due, now. */
export function deliveryOf(
  instance: string,
  alert: RelayedAlert,
  clock: Pick<Clock, 'now' | 'monotonic'>,
  isBraked: boolean,
): Delivery {
  const at = clock.monotonic();
  const asks = alert.status === 'firing' && alert.labels['action'] === 'restart';
  return {
    instance, alert, bytes: bytesOf(alert), sinceMs: clock.now(), heardAt: at, isBraked: isBraked && asks,
    isHeld: isBraked && asks, dueAt: at, releasedAtMs: null, isOnDisk: false, attempts: 0, problem: null,
  };
}

/** Characters of the longest time in RFC 3339: nanoseconds, and a zone in hours and minutes. */
const LONGEST_TIME = 35;

/** Two bytes a character, and what the objects take. One that fires has the room for its end: that is never refused. */
function bytesOf(alert: RelayedAlert): number {
  const ended = { ...alert, status: 'resolved', endsAt: (alert.endsAt ?? '').padEnd(LONGEST_TIME) };
  return 2 * JSON.stringify(ended).length + 500;
}

/** What has not been delivered: of each alert for each warden the last that is known of it. */
export class Queue {
  readonly #byInstance = new Map<string, Map<string, Delivery>>();
  #bytes = 0;
  #length = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes that it would hold more, with all of these put: none for one that is held already. */
  growth(deliveries: readonly Delivery[]): number {
    const put = new Map<string, Delivery>();
    let bytes = 0;
    for (const delivery of deliveries) {
      const { instance, alert } = delivery;
      const key = JSON.stringify([instance, alert.fingerprint]);
      const known = put.get(key) ?? this.#byInstance.get(instance)?.get(alert.fingerprint);
      if (known && isSame(known.alert, alert)) continue;
      bytes += delivery.bytes - (known?.bytes ?? 0);
      put.set(key, delivery);
    }
    return bytes;
  }

  /**
   * Takes it in the place of what is older of the same alert; where that says the same, it stays, and is the answer.
   */
  put(delivery: Delivery): Delivery {
    const { instance, alert } = delivery;
    const own = this.#byInstance.get(instance) ?? new Map<string, Delivery>();
    this.#byInstance.set(instance, own);
    const known = own.get(alert.fingerprint);
    if (known && isSame(known.alert, alert)) {
      known.heardAt = delivery.heardAt;
      return known;
    }
    if (known) this.remove(known);
    own.set(alert.fingerprint, delivery);
    this.#byInstance.set(instance, own);
    this.#bytes += delivery.bytes;
    this.#length++;
    return delivery;
  }

  /** False where it is not in the queue (any more). */
  remove(delivery: Delivery): boolean {
    if (!this.has(delivery)) return false;
    const { instance, alert, bytes } = delivery;
    const own = this.#byInstance.get(instance)!;
    own.delete(alert.fingerprint);
    if (own.size === 0) this.#byInstance.delete(instance);
    this.#bytes -= bytes;
    this.#length--;
    return true;
  }

  has(delivery: Delivery): boolean {
    return this.#byInstance.get(delivery.instance)?.get(delivery.alert.fingerprint) === delivery;
  }

  instances(): string[] {
    return [...this.#byInstance.keys()];
  }

  /** For one warden, oldest first. */
  of(instance: string): Delivery[] {
    return [...(this.#byInstance.get(instance)?.values() ?? [])];
  }

  all(): Delivery[] {
    return [...this.#byInstance.values()].flatMap((own) => [...own.values()]);
  }
}

/** endsAt of a firing alert moves with each evaluation, and says nothing. */
function isSame(a: RelayedAlert, b: RelayedAlert): boolean {
  return a.status === b.status && a.startsAt === b.startsAt && (a.status === 'firing' || a.endsAt === b.endsAt);
}
