import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { JOURNAL_FILE } from '../../act/journal.js';
import { parseJournal } from '../../act/journal-lines.js';
import { messageOf } from '../../errors.js';
import { readToken } from '../../http/token.js';
import type { FileFacts } from './files.js';
import type { Told } from './finding.js';

export async function lookAtToken(path: string): Promise<FileFacts> {
  const { mode, defect } = await lookAt(path);
  if (mode === null || defect !== null) return { path, mode, defect };
  const why = await readToken(path).then(() => null, (error: Error) => error.message.split(' cannot be used: ')[1] ?? error.message);
  return { path, mode, defect: why };
}

/** A folder that is not there yet is fine where it can be made. */
export async function lookAtStateDir(path: string): Promise<FileFacts> {
  const { mode, defect } = await lookAt(path);
  if (defect !== null) return { path, mode, defect };
  if (mode !== null) return { path, mode, defect: await whyNotWritable(path) };
  let above = dirname(path);
  while ((await lookAt(above)).mode === null && above !== dirname(above)) above = dirname(above);
  const why = await whyNotWritable(above);
  return { path, mode, defect: why === null ? null : `it is not there, and cannot be made: ${why}` };
}

async function lookAt(path: string): Promise<{ mode: number | null; defect: string | null }> {
  try {
    return { mode: (await stat(path)).mode & 0o777, defect: null };
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return { mode: null, defect: isMissing ? null : messageOf(error) };
  }
}

async function whyNotWritable(folder: string): Promise<string | null> {
  try {
    if (!(await stat(folder)).isDirectory()) return `${folder} is no folder`;
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return null;
  } catch {
    return `this user may not write in ${folder}`;
  }
}

/** By how much the newest alert on record had begun after it came, in milliseconds; null where none is on record. */
export async function lookAtAlerts(stateDir: string): Promise<Told<number | null>> {
  try {
    const { incidents } = parseJournal(await readFile(join(stateDir, JOURNAL_FILE), 'utf8'));
    const newest = incidents.findLast(({ alert }) => alert !== null);
    return { value: newest?.alert ? newest.alert.startsAtMs - newest.atMs : null };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { value: null };
    return { why: messageOf(error) };
  }
}
