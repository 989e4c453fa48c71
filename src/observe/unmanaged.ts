import type { AgentReport } from './hub.js';
import { apart, type Reading } from './sampler.js';
import type { Observation } from './tracker.js';

/** An agent can name its app as it likes; this bounds what that can cost in series. */
const MAX_UNMANAGED_WORKERS = 1000;

interface Place {
  app: string;
  worker: string;
  /** What its agent calls it. */
  claimed: string;
}

/**
 * Gives agents that no configured app owns a place: shown, never restarted. Of a cluster the primary has one and each
 * worker, whose heaps are worth seeing; none of them is counted with the primary, too.
 */
export class UnmanagedSlots {
  /** pid → place; a place is kept as long as its agent is connected. */
  #places = new Map<number, Place>();

  place(
    strangers: readonly AgentReport[],
    readings: ReadonlyMap<number, Reading>,
    configured: ReadonlySet<string>,
  ): Observation[] {
    const kept = new Map<number, Place>();
    for (const { pid, app } of strangers) {
      const place = this.#places.get(pid);
      // Not where the pid is another app's by now, nor where a reload has configured an app of that name.
      if (place?.claimed === app && !configured.has(place.app)) kept.set(pid, place);
    }
    this.#places = kept;
    const placed = strangers.flatMap((agent) => {
      const reading = readings.get(agent.pid);
      if (!reading) return []; // it claims a pid that nobody has
      const place = kept.get(agent.pid) ?? this.#newPlace(agent, configured);
      return place ? [{ agent, place, whole: reading }] : [];
    });
    const wholes = new Map(placed.map(({ agent, whole }) => [agent.pid, whole]));
    return placed.map(({ agent, place: { app, worker }, whole }) => {
      const reading = apart(whole, wholes);
      return { app, worker, supervisor: 'none', state: 'running', reading, agents: [agent] } as const;
    });
  }

  #newPlace({ pid, app: claimed }: AgentReport, configured: ReadonlySet<string>): Place | null {
    if (this.#places.size >= MAX_UNMANAGED_WORKERS) return null;
    // A stranger that bears a configured app's name must not be taken for one of its workers.
    let app = claimed;
    while (configured.has(app)) app += ' (unmanaged)';
    const taken = new Set([...this.#places.values()].filter((place) => place.app === app).map(({ worker }) => worker));
    let index = 0;
    while (taken.has(String(index))) index++;
    const place = { app, worker: String(index), claimed };
    this.#places.set(pid, place);
    return place;
  }
}
