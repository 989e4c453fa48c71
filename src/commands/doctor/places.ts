import { Source } from '../../config/source.js';
import type { Fix } from './finding.js';

/** Where the settings of a valid config were written. */
export class Places {
  readonly #source: Source;
  readonly #indexByApp: ReadonlyMap<string, number>;

  constructor(file: string, text: string, apps: readonly { name: string }[]) {
    this.#source = new Source(file, text);
    this.#indexByApp = new Map(apps.map(({ name }, i) => [name, i]));
  }

  /** `text` to stand where `key` (`limits.rss.restart`) of an app does, in the app itself or in `defaults`. */
  ofApp(app: string, key: string, text: string): Fix {
    const steps = key.split('.');
    const own = ['apps', String(this.#indexByApp.get(app)), ...steps];
    const common = ['defaults', ...steps];
    const path = !this.#source.has(own) && this.#source.has(common) ? common : own;
    return { file: this.#source.file, line: this.#source.problem(path, '', 'key').line, text };
  }
}
