import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { AppConfig } from '../../config/schema.js';
import { assertFolder, createOwn } from '../../own-files.js';
import { folderName, isFolderName, safeName, surplus, type KeptFolder, type Subject } from './names.js';

/** Bytes of all evidence together, the folder just written apart. */
const MAX_BYTES = 2_000_000_000;
/** Files of a process that ended, or was given up, while it wrote them. */
export const UNFINISHED = '.unfinished';

/** `state_dir/evidence`: a folder for each incident, by app. All of it throws as node:fs does. */
export class EvidenceStore {
  readonly #root: string;
  readonly #maxBytes: number;

  constructor(stateDir: string, maxBytes = MAX_BYTES) {
    this.#root = join(stateDir, 'evidence');
    this.#maxBytes = maxBytes;
  }

  /** Makes the incident's folder, which this user alone may enter. */
  async make(subject: Subject): Promise<string> {
    let folder = this.#root;
    await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
    for (const name of ['', safeName(subject.app), folderName(subject)]) {
      folder = join(folder, name);
      await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      await assertFolder(folder);
    }
    return folder;
  }

  /** Removes what is too much, but never this folder, and what was not finished in it. */
  async tidy(folder: string, { name, evidence: { keep } }: AppConfig): Promise<void> {
    for (const file of await readdir(folder)) if (file.endsWith(UNFINISHED)) await rm(join(folder, file), { force: true });
    const caps = { app: safeName(name), present: basename(folder), keep, maxBytes: this.#maxBytes };
    for (const { path } of surplus(await this.#kept(), caps)) {
      await rm(path, { recursive: true, force: true });
    }
  }

  async #kept(): Promise<(KeptFolder & { path: string })[]> {
    const kept: (KeptFolder & { path: string })[] = [];
    for (const app of await foldersIn(this.#root)) {
      for (const name of (await foldersIn(join(this.#root, app))).filter(isFolderName)) {
        const path = join(this.#root, app, name);
        kept.push({ app, name, path, bytes: await bytesIn(path) });
      }
    }
    return kept;
  }
}

/** Without links: what they lead to is not ours to count or to remove. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** Another app's restart may be removing it: what has gone takes no room. */
async function bytesIn(folder: string): Promise<number> {
  const gone = <T>(none: T) => (error: NodeJS.ErrnoException): T => {
    if (error.code !== 'ENOENT') throw error;
    return none;
  };
  let bytes = 0;
  for (const file of await readdir(folder).catch(gone<string[]>([]))) {
    bytes += await lstat(join(folder, file)).then(({ size }) => size, gone(0));
  }
  return bytes;
}

export async function writePrivate(folder: string, file: string, text: string): Promise<void> {
  const handle = await createOwn(join(folder, file));
  await handle.appendFile(text).finally(() => handle.close());
}
