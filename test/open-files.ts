/** What this process holds open. Linux. */
import { readdirSync, readlinkSync } from 'node:fs';

/** Paths and names as the links in /proc/self/fd tell them, proc(5). */
export function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return []; // that of the readdir itself
    }
  });
}
