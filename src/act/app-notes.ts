import type { Pause } from '../decide/gates.js';
import { Turns } from '../turns.js';
import type { AppState } from './app-state.js';
import type { History } from './history.js';
import type { Journal } from './journal.js';

/** Changes what is known of an app beside its incidents: on disk first, then in memory. */
export class AppNotes {
  readonly #history: History;
  readonly #journal: Pick<Journal, 'note'>;
  readonly #turns = new Turns();

  constructor(history: History, journal: Pick<Journal, 'note'>) {
    this.#history = history;
    this.#journal = journal;
  }

  of(app: string): AppState {
    return this.#history.stateOf(app);
  }

  /** The apps of which a schedule is on record, whether they have one in the config now or not. */
  scheduled(): string[] {
    return this.#history.notedApps().filter((app) => this.of(app).schedule !== null);
  }

  /**
   * After all changes of the app before it: each goes on from what the last one left, or it would write over that.
   * Throws HeapwardenError JOURNAL_UNWRITABLE: then nothing has changed.
   */
  change(app: string, change: Partial<AppState>): Promise<void> {
    return this.#turns.take(app, () => this.#changeNow(app, change));
  }

  /** No automatic restarts from now on; `forMs` null: until a person resumes. */
  async pause(app: string, forMs: number | null, nowMs: number): Promise<Pause> {
    const pause = { atMs: nowMs, untilMs: forMs === null ? null : nowMs + forMs };
    await this.change(app, { pause });
    return pause;
  }

  /** A person's word: pauses are over, and what restarts did not help so far is forgiven. */
  async resume(app: string, nowMs: number): Promise<void> {
    await this.change(app, { pause: null, freshSinceMs: nowMs });
  }

  async #changeNow(app: string, change: Partial<AppState>): Promise<void> {
    const state = { ...this.of(app), ...change };
    await this.#journal.note(app, state);
    this.#history.setState(app, state);
  }
}
