import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

/** Milliseconds after which a thread that nobody needs is ended; it holds some 10 MB. */
const IDLE_MS = 10_000;

/**
 * In a text, since a file of its own would have another name compiled than not. bcrypt in JavaScript takes a tenth of a
 * second or more of CPU, in which no app would be watched: hence the thread.
 */
const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { compareSync } = require(workerData);
  parentPort.on('message', ({ password, hash }) => parentPort.postMessage(compareSync(password, hash)));
`;

interface Question {
  password: string;
  hash: string;
}

/** Compares passwords with bcrypt hashes, one at a time. */
export class Bcrypt {
  #thread: Worker | null = null;
  #idle: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** Rejects where the thread fails. */
  compare(password: string, hash: string): Promise<boolean> {
    const answer = this.#last.then(() => this.#ask({ password, hash }));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const thread = this.#thread;
    this.#thread = null;
    await thread?.terminate();
  }

  #ask(question: Question): Promise<boolean> {
    clearTimeout(this.#idle);
    const thread = (this.#thread ??= this.#start());
    thread.ref();
    return new Promise<boolean>((resolve, reject) => {
      const end = (): void => {
        thread.off('message', answer).off('error', fail).off('exit', exit);
        thread.unref(); // idle, it keeps nothing alive
        this.#idle = setTimeout(() => void this.close(), IDLE_MS).unref();
      };
      const answer = (isRight: unknown): void => {
        end();
        resolve(isRight === true);
      };
      const fail = (error: Error): void => {
        end();
        reject(error);
      };
      const exit = (): void => fail(new Error('the thread that compares passwords has ended'));
      thread.on('message', answer).on('error', fail).on('exit', exit);
      thread.postMessage(question); // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread's, not a window's
    });
  }

  #start(): Worker {
    const thread = new Worker(THREAD, {
      eval: true,
      workerData: createRequire(import.meta.url).resolve('bcryptjs'),
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32 },
    });
    const forget = (): void => {
      if (this.#thread === thread) this.#thread = null;
    };
    return thread.on('error', forget).on('exit', forget);
  }
}
