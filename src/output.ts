import { write, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { isatty } from 'node:tty';

/** Bytes; when the reader of our output stalls, lines beyond this are lost rather than the event loop held. */
const MAX_BUFFERED = 8 * 2 ** 20;
/** Bytes. PIPE_BUF on Linux: a write of so many goes into a pipe whole, so that lines never mix (pipe(7)). */
const MAX_WRITE = 4096;
/** A reader that is behind is given a moment, and twice as long each time that it takes nothing. */
const FIRST_RETRY_MS = 1;
const LAST_RETRY_MS = 64;
/** How long the last words wait for a reader that takes nothing. */
const LAST_WORDS_MS = 2000;

export interface Sink {
  write(text: string): void;
  /**
   * Writes out what is buffered, synchronously: for the last words before an exit. To a file or a terminal, a write
   * that is under way in its own thread is finished there.
   */
  flushSync(): void;
}

/**
 * An asynchronous writer to a file descriptor: 1 is stdout, 2 stderr. Whatever becomes of those, it neither throws nor
 * holds the event loop; what cannot be written is lost.
 */
export function openSink(fd: 1 | 2): Sink {
  // Node's own stream makes a pipe non-blocking. One that blocks would hold a thread for as long as nobody reads it,
  // and with the thread the exit.
  const stream: unknown = fd === 1 ? process.stdout : process.stderr;
  return new DescriptorSink(fd, stream instanceof Socket && !isatty(fd));
}

/**
 * Resolves when what was written to stdout and stderr by Node's own streams is out, or nobody reads it any more. What a
 * pipe has no room for (64 KiB on Linux, pipe(7)) waits in the process, and would end with it.
 */
export async function standardStreamsFlushed(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(flushed));
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableLength === 0 || stream.destroyed) return resolve();
    stream.on('error', () => resolve()); // such as EPIPE; without a listener it would be thrown
    stream.write('', () => resolve());
  });
}

class DescriptorSink implements Sink {
  readonly #fd: number;
  readonly #isPipe: boolean;
  /** What one write takes, each. */
  #waiting: { parts: Buffer[]; bytes: number }[] = [];
  #bytes = 0;
  #retryMs = FIRST_RETRY_MS;
  /** A write is under way, or about to be. */
  #busy = false;
  /** Nobody will ever read it. */
  #closed = false;

  constructor(fd: number, isPipe: boolean) {
    this.#fd = fd;
    this.#isPipe = isPipe;
  }

  write(text: string): void {
    const line = Buffer.from(text);
    if (this.#closed || this.#bytes + line.length > MAX_BUFFERED) return;
    const last = this.#waiting.at(-1);
    if (last && last.bytes + line.length <= MAX_WRITE) {
      last.parts.push(line);
      last.bytes += line.length;
    } else {
      this.#waiting.push({ parts: [line], bytes: line.length });
    }
    this.#bytes += line.length;
    if (this.#busy) return;
    this.#busy = true;
    setImmediate(() => this.#writeNext()); // with what else this turn has to say
  }

  flushSync(): void {
    let idleMs = 0;
    for (let chunk = this.#take(); chunk; chunk = this.#take()) {
      const [error, written] = this.#writeNow(chunk);
      if (error && (!isBehind(error) || idleMs >= LAST_WORDS_MS)) return this.#dropAll();
      this.#putBack(chunk.subarray(written));
      idleMs = error ? idleMs + LAST_RETRY_MS : 0;
      if (error) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_RETRY_MS);
    }
  }

  #writeNext(): void {
    const chunk = this.#take();
    this.#busy = chunk !== null;
    if (!chunk) return;
    // A pipe takes what it has room for at once; a disk or a terminal may take its time.
    if (this.#isPipe) this.#goOn(chunk, ...this.#writeNow(chunk));
    else write(this.#fd, chunk, (error, written) => this.#goOn(chunk, error, written));
  }

  #goOn(chunk: Buffer, error: NodeJS.ErrnoException | null, written: number): void {
    if (isBehind(error)) {
      this.#putBack(chunk);
      setTimeout(() => this.#writeNext(), this.#retryMs);
      this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
      return;
    }
    this.#retryMs = FIRST_RETRY_MS;
    this.#closed = error?.code === 'EPIPE';
    if (this.#closed) this.#dropAll();
    else if (!error) this.#putBack(chunk.subarray(written));
    // Another error, as that of a full disk, may pass; only the chunk is lost.
    setImmediate(() => this.#writeNext());
  }

  #writeNow(chunk: Buffer): [error: NodeJS.ErrnoException | null, written: number] {
    try {
      return [null, writeSync(this.#fd, chunk)];
    } catch (error) {
      return [error as NodeJS.ErrnoException, 0];
    }
  }

  #take(): Buffer | null {
    const next = this.#waiting.shift();
    if (!next) return null;
    this.#bytes -= next.bytes;
    return Buffer.concat(next.parts);
  }

  #putBack(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#waiting.unshift({ parts: [rest], bytes: rest.length });
    this.#bytes += rest.length;
  }

  #dropAll(): void {
    this.#waiting = [];
    this.#bytes = 0;
  }
}

const isBehind = (error: NodeJS.ErrnoException | null): boolean => error?.code === 'EAGAIN';

/** Characters; a longer line is passed on in pieces, so that an app that writes no newline costs no more than this. */
const LONGEST_LINE = 64 * 1024;

/** Cuts one stream's bytes into whole lines, so that the lines of several apps never mix. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#onLine(line);
    if (this.#rest.length >= LONGEST_LINE) this.#passOn();
  }

  /** Passes on an unfinished last line. */
  flush(): void {
    this.#rest += this.#decoder.end();
    this.#passOn();
  }

  #passOn(): void {
    if (this.#rest !== '') this.#onLine(this.#rest);
    this.#rest = '';
  }
}

/** Passes on what child apps write: `stdout` to ours, `stderr` to ours. */
export class OutputRelay {
  readonly #splitters = new Map<string, LineSplitter>();
  readonly #write: (stream: 'stdout' | 'stderr', text: string) => void;
  readonly #named: boolean;

  /** `named`: each line says whose it is (`shop/0 | …`); else it is passed on as it is, for programs that read it. */
  constructor(write: (stream: 'stdout' | 'stderr', text: string) => void, { named }: { named: boolean }) {
    this.#write = write;
    this.#named = named;
  }

  push(app: string, worker: string, stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const key = `${app}/${worker} ${stream}`;
    let splitter = this.#splitters.get(key);
    if (!splitter) {
      const prefix = this.#named ? `${app}/${worker} | ` : '';
      splitter = new LineSplitter((line) => this.#write(stream, `${prefix}${line}\n`));
      this.#splitters.set(key, splitter);
    }
    splitter.push(chunk);
  }

  close(): void {
    for (const splitter of this.#splitters.values()) splitter.flush();
    this.#splitters.clear();
  }
}
