/** Pure: what evidence folders are called, and which of them have to go. */
import { createHash } from 'node:crypto';

/** What a folder is called after: `asked` is the reason of a restart, or of a death. */
export interface Subject {
  app: string;
  atMs: number;
  worker: string;
  asked: string;
}

/** `<time>-<worker>-<reason>`; the time leads, so that names sort by age. */
export function folderName({ atMs, worker, asked }: Omit<Subject, 'app'>): string {
  return `${new Date(atMs).toISOString().replace(/[-:.]/g, '')}-${safeName(worker)}-${asked}`;
}

const FOLDER = /^\d{8}T\d{9}Z-/;
/** Whether a folder is one of ours: a person may keep others beside them. */
export const isFolderName = (name: string): boolean => FOLDER.test(name);

const LONGEST = 80;

/** A name that is one on every file system, and nothing else; what it had to change is told apart by a hash. */
export function safeName(name: string): string {
  const safe = name.replace(/[^\w.-]/g, '_').replace(/^\./, '_').slice(0, LONGEST);
  return safe === name ? safe : `${safe}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
}

export interface KeptFolder {
  /** As in its path. */
  app: string;
  name: string;
  bytes: number;
}

export interface Caps {
  app: string;
  /** The folder of this app that was just written: where the clock was set back, older ones are dated later. */
  present: string;
  /** Folders of this app. */
  keep: number;
  /** Of all apps together, the present folder apart: a large snapshot must not cost every other app its own. */
  maxBytes: number;
}

/**
 * What has to go, oldest first: above the count of one app, then above the bytes of all; one that is too large by
 * itself takes no other with it. Never the present folder; the app's own that are dated later are of a clock that was
 * ahead, and go first.
 */
export function surplus<F extends KeptFolder>(folders: readonly F[], { app, present, keep, maxBytes }: Caps): F[] {
  const isAhead = (folder: F) => folder.app === app && folder.name > present;
  const others = folders
    .filter((folder) => folder.app !== app || folder.name !== present)
    .toSorted((a, b) => Number(isAhead(a)) - Number(isAhead(b)) || (a.name < b.name ? 1 : -1)); // newest first
  const gone = new Set(others.filter((folder) => folder.app === app).slice(Math.max(1, keep) - 1));
  let bytes = 0;
  for (const folder of others) {
    if (gone.has(folder)) continue;
    if (bytes + folder.bytes > maxBytes) gone.add(folder);
    else bytes += folder.bytes;
  }
  return others.filter((folder) => gone.has(folder)).toReversed();
}
