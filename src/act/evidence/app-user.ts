/** Linux tells which user a process is. Where nobody does, its agent is asked, and says what it could not do. */
import { readFile } from 'node:fs/promises';

/** Why a process cannot write into a folder that this user alone may enter; null where it can, or that is not known. */
export async function whyNoFiles(pid: number, proc = '/proc', me = process.geteuid?.()): Promise<string | null> {
  const status = await readFile(`${proc}/${pid}/status`, 'latin1').catch(() => '');
  // The last of the four is the one that files are opened as: proc_pid_status(5).
  const user = /^Uid:(?:\t\d+){3}\t(\d+)$/m.exec(status)?.[1];
  if (user === undefined || me === undefined || Number(user) === me || Number(user) === 0) return null;
  return `the app runs as another user (${user}) than heapwarden (${me}), and cannot write into its folder`;
}
