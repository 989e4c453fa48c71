import { get } from 'node:http';
import { WebSocketClient } from './websocket.js';

export interface InspectorAddress {
  host: string;
  port: number;
}

/** An answer or an event's parameters, as they come: to be looked at before they are believed. */
export type Fields = Readonly<Record<string, unknown>>;

const MAX_LIST_BYTES = 1_000_000;
/** Of one message: a heap profile is one. */
const MAX_MESSAGE_BYTES = 256 * 2 ** 20;

interface Waiting {
  resolve(result: Fields): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

/**
 * Speaks the Chrome DevTools Protocol to the inspector of one Node process
 * (https://chromedevtools.github.io/devtools-protocol/v8/). V8 answers between two JavaScript statements, in an endless
 * loop too, but never inside one long native call.
 */
export class InspectorClient {
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<string, Set<(params: Fields) => void>>();
  readonly #ended: Promise<void>;
  #end!: () => void;
  #isEnded = false;
  #socket!: WebSocketClient;
  #calls = 0;

  private constructor() {
    this.#ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Rejects where no inspector answers at that address within `timeoutMs`. */
  static async connect({ host, port }: InspectorAddress, timeoutMs: number): Promise<InspectorClient> {
    const until = performance.now() + timeoutMs;
    const path = targetPath(await readList({ host, port }, timeoutMs));
    if (path === null) throw new Error(`what listens on port ${port} is no inspector of Node`);
    const client = new InspectorClient();
    const name = host.includes(':') ? `[${host}]` : host;
    client.#socket = await WebSocketClient.open(new URL(`ws://${name}:${port}${path}`), {
      timeoutMs: Math.max(1, Math.ceil(until - performance.now())),
      maxBytes: MAX_MESSAGE_BYTES,
      onText: (text) => client.#read(text),
      onEnd: (error) => client.#over(error),
    });
    return client;
  }

  /** Resolves when the connection has ended, for whatever reason. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** The result of a method. Rejects where the other side says no, has gone, or does not answer within `timeoutMs`. */
  call(method: string, params: Fields, timeoutMs: number): Promise<Fields> {
    if (this.#isEnded) return Promise.reject(new Error(`${method}: the inspector has gone`));
    const id = (this.#calls += 1);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${method}: no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /**
   * The value of an expression in the main thread's global scope, with `require` where it is CommonJS; only what JSON
   * can say comes back. Rejects as `call` does, and with the message of what the expression throws.
   */
  async evaluate(expression: string, timeoutMs: number): Promise<unknown> {
    const params = { expression, returnByValue: true, silent: true, includeCommandLineAPI: true };
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', params, timeoutMs);
    if (exceptionDetails !== undefined) throw new Error(thrownMessage(exceptionDetails));
    return asFields(result)['value'];
  }

  /** Calls back at each such event; returns how to stop that. */
  on(event: string, listener: (params: Fields) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** Disconnects. What was paused runs on. */
  close(): void {
    this.#socket.destroy();
  }

  /** Disconnects behind a last expression, whose value nobody gets: it runs when we are gone. */
  closeBehind(expression: string): void {
    if (this.#isEnded) return;
    const params = { expression, silent: true };
    this.#socket.finish(JSON.stringify({ id: (this.#calls += 1), method: 'Runtime.evaluate', params }));
  }

  #read(text: string): void {
    const { id, method, params, result, error } = asFields(JSON.parse(text));
    if (typeof method === 'string') {
      for (const listener of this.#listeners.get(method) ?? []) listener(asFields(params));
      return;
    }
    const waiting = this.#waiting.get(Number(id));
    if (!waiting) return; // its answer was waited for no longer
    this.#waiting.delete(Number(id));
    clearTimeout(waiting.timer);
    if (error === undefined) waiting.resolve(asFields(result));
    else waiting.reject(new Error(String(asFields(error)['message'])));
  }

  #over(error: Error | null): void {
    this.#isEnded = true;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Error(`the inspector has gone${error ? `: ${error.message}` : ''}`, { cause: error }));
    }
    this.#waiting.clear();
    this.#end();
  }
}

export function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function thrownMessage(details: unknown): string {
  const { text, exception } = asFields(details);
  const { description } = asFields(exception);
  return String(description ?? text).split('\n')[0]!;
}

/** Path of the main thread's WebSocket in an answer to /json/list; null where it is none. */
function targetPath(list: unknown): string | null {
  if (!Array.isArray(list)) return null;
  const target = list.map(asFields).find(({ type }) => type === 'node');
  const url = target?.['webSocketDebuggerUrl'];
  return typeof url === 'string' && URL.canParse(url) ? new URL(url).pathname : null;
}

/** Null where what answers is no JSON. */
function readList({ host, port }: InspectorAddress, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    // By address: the inspector refuses other host names, lest a web page reaches it by DNS rebinding.
    const asking = get({ host, port, path: '/json/list', agent: false, signal }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_LIST_BYTES) response.destroy(new Error('too long an answer'));
      });
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve(JSON.parse(text));
        } catch {
          resolve(null);
        }
      });
    });
    asking.on('error', reject);
  });
}
