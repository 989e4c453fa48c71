import type { Clock } from '../clock.js';
import { HeapwardenError } from '../errors.js';
import type { Config } from './schema.js';

/** How the last load of the config ended; the start counts as the first one. */
export interface LastReload {
  successful: boolean;
  /** When one last succeeded; milliseconds since the Unix epoch. */
  successAtMs: number;
}

/** The running config. A reload is validated first and swapped in whole; one that fails changes nothing. */
export class ConfigStore {
  readonly #load: () => Promise<Config>;
  readonly #clock: Clock;
  #current: Config;
  #lastReload: LastReload;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(initial: Config, load: () => Promise<Config>, clock: Clock) {
    this.#current = initial;
    this.#load = load;
    this.#clock = clock;
    this.#lastReload = { successful: true, successAtMs: clock.now() };
  }

  get current(): Config {
    return this.#current;
  }

  get lastReload(): LastReload {
    return this.#lastReload;
  }

  /**
   * Loads the config anew, after any reload that is under way. Throws what the load throws, and HeapwardenError
   * CONFIG_NEEDS_RESTART where a key changed that only a start reads.
   */
  reload(): Promise<{ before: Config; after: Config }> {
    const reload = this.#queue.then(() => this.#reload());
    this.#queue = reload.catch(() => undefined); // its caller hears of it; the next one starts afresh
    return reload;
  }

  async #reload(): Promise<{ before: Config; after: Config }> {
    const before = this.#current;
    try {
      const after = await this.#load();
      refuseFixedChanges(before, after);
      this.#current = after;
      this.#lastReload = { successful: true, successAtMs: this.#clock.now() };
      return { before, after };
    } catch (error) {
      this.#lastReload = { ...this.#lastReload, successful: false };
      throw error;
    }
  }
}

/** The journal, the socket and the token are opened once, when heapwarden starts. */
function refuseFixedChanges(before: Config, after: Config): void {
  const fixed = [
    ['state_dir', before.state_dir, after.state_dir],
    ['agent_socket', before.agent_socket, after.agent_socket],
    ['agent_socket_group', before.agent_socket_group ?? 'none', after.agent_socket_group ?? 'none'],
    ['auth.token_file', before.auth.token_file, after.auth.token_file],
  ] as const;
  if (before.apps.length > 0 && after.apps.length === 0) {
    throw new HeapwardenError(
      'CONFIG_NEEDS_RESTART',
      'the file names no app any more (is it empty?), and a reload does not stop the last one; restart heapwarden if ' +
        'that is meant. The config from before stays in force.',
    );
  }
  const changes = fixed.filter(([, was, is]) => was !== is).map(([key, was, is]) => `${key} from ${was} to ${is}`);
  if (changes.length === 0) return;
  throw new HeapwardenError(
    'CONFIG_NEEDS_RESTART',
    `a reload cannot change ${changes.join(', or ')}; restart heapwarden for that, or undo the change. ` +
      'The config from before stays in force.',
  );
}
