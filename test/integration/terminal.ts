/** A real terminal: tmux, of a size of its own, with a shell in it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { waitFor } from './wait.js';

export class Terminal {
  readonly #tmux: string;
  readonly #dir = mkdtempSync(join(tmpdir(), 'hw-tmux-'));

  constructor(t: Pick<Test, 'passing' | 'comment'> & { teardown(end: () => unknown): unknown }, tmux: string, { columns, rows }: { columns: number; rows: number }) {
    this.#tmux = tmux;
    t.teardown(() => {
      if (!t.passing()) t.comment(this.screen());
      this.#run('kill-server');
      rmSync(this.#dir, { recursive: true, force: true });
    });
    // tap's NODE_OPTIONS would be everybody's in it.
    const shell = ['env', '-u', 'NODE_OPTIONS', '-u', 'NO_COLOR', '-u', 'FORCE_COLOR', 'LC_ALL=C.UTF-8', 'PS1=$ ', 'ENV=', 'sh'];
    this.#run('new-session', '-d', '-x', String(columns), '-y', String(rows), shell.join(' ').replace('PS1=$ ', "'PS1=$ '"));
  }

  /** As it is to be seen; lines without the spaces at their ends. */
  screen(): string {
    return this.#run('capture-pane', '-p');
  }

  /** With its colours. */
  colors(): string {
    return this.#run('capture-pane', '-p', '-e');
  }

  /** Names as tmux has them: Enter, Up, C-c. */
  keys(...names: string[]): void {
    this.#run('send-keys', ...names);
  }

  type(line: string): void {
    this.#run('send-keys', '-l', line);
    this.keys('Enter');
  }

  resize({ columns, rows }: { columns: number; rows: number }): void {
    this.#run('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** Whether the cursor is shown, the alternate screen is on, and long lines are wrapped. */
  modes(): string {
    return this.#run('display-message', '-p', '#{cursor_flag} #{alternate_on} #{wrap_flag}').trim();
  }

  async shows(pattern: RegExp, timeoutMs = 30_000): Promise<string> {
    let seen = '';
    try {
      return await waitFor(`${pattern}`, () => {
        seen = this.screen();
        return pattern.test(seen) && seen;
      }, timeoutMs);
    } catch (error) {
      throw new Error(`${String(error)}; the screen:\n${seen}`, { cause: error });
    }
  }

  /** The settings of the line, as the shell sees them. */
  async settings(): Promise<string> {
    this.type('clear; stty -a; echo stty-is-"done"');
    return (await this.shows(/stty-is-done/)).split('stty-is-done')[0]!;
  }

  #run(...args: string[]): string {
    return execFileSync(this.#tmux, ['-u', '-S', join(this.#dir, 's'), '-f', '/dev/null', ...args], { encoding: 'utf8' });
  }
}
