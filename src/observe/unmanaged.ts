import type { AgentReport } from './hub.js';
import type { Reading } from './sampler.js';
import type { Observation } from './tracker.js';

/** An agent can name its app as it likes; this bounds what that can cost in series. */
const MAX_UNMANAGED_WORKERS = 1000;

/** Gives agents that no configured app owns a place: shown, never restarted. */
export class UnmanagedSlots {
  /** pid → place; a place is kept as long as its agent is connected. */
  #places = new Map<number, { app: string; worker: string }>();

  place(
    strangers: readonly AgentReport[],
    readings: ReadonlyMap<number, Reading>,
    configured: ReadonlySet<string>,
  ): Observation[] {
    const kept = new Map<number, { app: string; worker: string }>();
    for (const { pid } of strangers) {
      const place = this.#places.get(pid);
      if (place) kept.set(pid, place);
    }
    this.#places = kept;
    return strangers.flatMap((agent) => {
      const reading = readings.get(agent.pid);
      if (!reading) return []; // it claims a pid that nobody has
      const place = kept.get(agent.pid) ?? this.#newPlace(agent, configured);
      return place ? [{ ...place, supervisor: 'none', state: 'running', reading, agents: [agent] } as const] : [];
    });
  }

  #newPlace(agent: AgentReport, configured: ReadonlySet<string>): { app: string; worker: string } | null {
    if (this.#places.size >= MAX_UNMANAGED_WORKERS) return null;
    // A stranger that bears a configured app's name must not be taken for one of its workers.
    const app = configured.has(agent.app) ? `${agent.app} (unmanaged)` : agent.app;
    const taken = new Set([...this.#places.values()].filter((place) => place.app === app).map(({ worker }) => worker));
    let index = 0;
    while (taken.has(String(index))) index++;
    const place = { app, worker: String(index) };
    this.#places.set(agent.pid, place);
    return place;
  }
}
