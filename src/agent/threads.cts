import { subscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { quietly } from './quietly.cjs';

/** The id of a thread that runs no more (https://nodejs.org/api/worker_threads.html#workerthreadid). */
const ENDED = -1;
const HOLDS = 'and Node would hold the app until each has answered';

/** The worker threads of this process, of which Node has no list; its own, as for module hooks, are among them. */
export class Threads {
  readonly #running = new Set<Worker>();
  /** Who has not loaded this has started none. Undocumented, but in every Node from 18 to 26. */
  readonly #mayHaveMissed =
    (process as { moduleLoadList?: string[] }).moduleLoadList?.includes('NativeModule worker_threads') !== false;

  constructor() {
    // Since Node 20. Not process's event 'worker': that somebody listens for it the app could see.
    const see = quietly((message: unknown) => {
      const { worker } = message as { worker: Worker };
      this.#running.add(worker);
      worker.once('exit', () => this.#running.delete(worker));
      this.#forgetEnded();
    });
    quietly(() => subscribe('worker_threads', see))();
  }

  /**
   * Why Node is not to be asked for what it asks of each thread, without end where one is in a long native call; null
   * where there is none.
   */
  whyNotAsked(): string | null {
    this.#forgetEnded();
    const count = this.#running.size;
    if (count > 0) return `${count} worker ${count === 1 ? 'thread runs' : 'threads run'}, ${HOLDS}`;
    return this.#mayHaveMissed ? `worker threads may run from before the agent came, ${HOLDS}` : null;
  }

  /** Of those from which the app has taken all listeners, its 'exit' is not heard. */
  #forgetEnded(): void {
    for (const worker of this.#running) if (worker.threadId === ENDED) this.#running.delete(worker);
  }
}
