import { writeSync } from 'node:fs';
import { emitKeypressEvents, type Key } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import type { Size } from './render.js';

/**
 * Control sequences of xterm (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html): the alternate screen, no cursor,
 * and no wrapping, so that a line that a terminal draws wider than it was counted stays one line.
 */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const LEAVE = '\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l';
const CLEAR = '\x1b[2J';
/** Milliseconds; the signal that stops us is delivered by then. What comes after it runs when we go on. */
const STOPPED_MS = 50;

export interface Terminal {
  input: ReadStream;
  output: WriteStream & { fd: number };
}

export interface ScreenListener {
  key(name: string): void;
  resized(): void;
  /** The terminal has gone, or a signal asks to end; the exit status. */
  ended(status: number): void;
}

/** Exit statuses by signal, as shells have them. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** A terminal that is ours until it is closed, and then as it was: however this process ends, but for SIGKILL. */
export class Screen {
  readonly #input: ReadStream;
  readonly #output: Terminal['output'];
  readonly #listener: ScreenListener;
  readonly #undo: (() => void)[] = [];
  #shown: string[] = [];
  #isOpen = false;

  constructor({ input, output }: Terminal, listener: ScreenListener) {
    this.#input = input;
    this.#output = output;
    this.#listener = listener;
  }

  get size(): Size {
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 };
  }

  open(): void {
    emitKeypressEvents(this.#input);
    this.#on(this.#input, 'keypress', (text: string | undefined, key: Key) => this.#key(text, key));
    for (const event of ['end', 'close', 'error']) this.#on(this.#input, event, () => this.#listener.ended(SIGNALS.SIGHUP));
    this.#on(this.#output, 'error', () => this.#listener.ended(SIGNALS.SIGHUP));
    this.#on(this.#output, 'resize', () => {
      this.#shown = [];
      this.#write(CLEAR);
      this.#listener.resized();
    });
    for (const [signal, status] of Object.entries(SIGNALS)) this.#on(process, signal, () => this.#listener.ended(status));
    this.#on(process, 'SIGTSTP', () => this.#suspend());
    this.#on(process, 'exit', () => this.#leave());
    // Before Node.js prints why it ends: that is not to go down with the alternate screen.
    this.#on(process, 'uncaughtExceptionMonitor', () => this.#leave());
    this.#enter();
  }

  close(): void {
    this.#leave();
    for (const undo of this.#undo.splice(0)) undo();
    this.#input.pause();
  }

  /** Writes only the lines that differ from those that are there. */
  paint(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    const { rows } = this.size;
    let text = '';
    for (let row = 0; row < rows; row++) {
      const line = lines[row] ?? '';
      if (this.#shown[row] === line) continue;
      // Erased before it is written: after a full line the cursor stands on its last character.
      text += `\x1b[${row + 1};1H\x1b[0m\x1b[2K${line}\x1b[0m`;
      this.#shown[row] = line;
    }
    if (text !== '') this.#write(text);
  }

  #key(text: string | undefined, { name, ctrl, shift }: Key): void {
    if (ctrl && name === 'c') this.#listener.key('quit');
    else if (ctrl && name === 'z') this.#suspend();
    else if (!ctrl) this.#listener.key(name !== undefined && !shift ? name : (text ?? ''));
  }

  /** As a shell's job control expects it: fg brings it back. */
  #suspend(): void {
    this.#leave();
    const listeners = process.listeners('SIGTSTP');
    process.removeAllListeners('SIGTSTP');
    process.kill(0, 'SIGTSTP');
    setTimeout(() => {
      for (const listener of listeners) process.on('SIGTSTP', listener);
      if (this.#undo.length === 0) return;
      this.#enter();
      this.#listener.resized();
    }, STOPPED_MS);
  }

  #enter(): void {
    this.#input.setRawMode(true);
    this.#input.resume();
    this.#shown = [];
    this.#isOpen = true;
    this.#write(ENTER);
  }

  #leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#input.setRawMode(false);
      // At once: the process may be about to end.
      writeSync(this.#output.fd, LEAVE);
    } catch {
      // The terminal has gone; there is nothing to restore.
    }
  }

  #write(text: string): void {
    if (this.#output.writable) this.#output.write(text);
  }

  #on(target: NodeJS.EventEmitter, event: string, listener: (...args: never[]) => void): void {
    const any = listener as (...args: unknown[]) => void;
    target.on(event, any);
    this.#undo.push(() => target.off(event, any));
  }
}
