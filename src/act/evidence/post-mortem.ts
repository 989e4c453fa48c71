import type { AppConfig } from '../../config/schema.js';
import { messageOf } from '../../errors.js';
import type { Death } from '../incident.js';
import { tidyUp, writeIncident } from './collect.js';
import type { EvidenceReport } from './report.js';
import { writePrivate, type EvidenceStore } from './store.js';
import type { Memory } from './witness.js';

/** What is known of one that died. */
export interface Remains {
  death: Death;
  /** The last that it wrote; '' where nobody knows. */
  words: string;
  memory: Memory | null;
}

const MUTE = 'a process that has died cannot be asked: this is what was last known of it, and what it wrote';

/** What is written of a process that died by itself. */
export class PostMortem {
  readonly #store: EvidenceStore;
  readonly #describe: (death: Death) => object;

  constructor(store: EvidenceStore, describe: (death: Death) => object) {
    this.#store = store;
    this.#describe = describe;
  }

  /** Never rejects; null where the app's config wants none. */
  async write({ death, words, memory }: Remains, app: AppConfig): Promise<EvidenceReport | null> {
    if (app.evidence.keep === 0) return null;
    const report: EvidenceReport = { folder: null, files: [], finding: null, notes: [MUTE] };
    try {
      const folder = await this.#store.make({ ...death, asked: death.reason });
      report.folder = folder;
      if (words === '') report.notes.push('no output.txt: what it wrote last is not known');
      else {
        await writePrivate(folder, 'output.txt', words.endsWith('\n') ? words : `${words}\n`);
        report.files.push('output.txt');
      }
      report.files.unshift('incident.json');
      await writeIncident(folder, this.#describe(death), memory, report);
    } catch (error) {
      report.files = report.files.filter((file) => file !== 'incident.json');
      report.notes.push(`not all of it could be written: ${messageOf(error)}`);
    }
    if (report.folder !== null) await tidyUp(this.#store, report.folder, app, report);
    return report;
  }
}
