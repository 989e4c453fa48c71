import { execFile } from 'node:child_process';

/** "A unit failed with the following result": systemd's sd-messages.h, SD_MESSAGE_UNIT_FAILURE_RESULT. */
const UNIT_FAILED = 'd9b373ed55a64feb8242e02dbe79a49c';
const TIMEOUT_MS = 5000;

export interface JournalEntry {
  /** systemd's word, as `oom-kill`. */
  result: string;
  /** Milliseconds since the Unix epoch. */
  atMs: number;
}

/**
 * The last failure of a unit that systemd has written down; null where there is none or the journal is not to be read
 * by this user (the groups systemd-journal and adm may).
 *
 * `_PID` is the journal's own word for who wrote the entry, and nobody can forge it; UNIT anybody may write.
 */
export function lastFailure(unit: string, user: boolean, program = 'journalctl'): Promise<JournalEntry | null> {
  const by = user ? ['--user', `USER_UNIT=${unit}`] : [`UNIT=${unit}`, '_PID=1'];
  const args = [...by, `MESSAGE_ID=${UNIT_FAILED}`, '--boot', '--lines=1', '--output=json', '--quiet', '--no-pager'];
  return new Promise((resolve) => {
    execFile(program, args, { timeout: TIMEOUT_MS, encoding: 'utf8' }, (error, stdout) => {
      resolve(error ? null : parseEntry(stdout.trim()));
    });
  });
}

/** One line of `journalctl --output=json`: systemd.journal-fields(7). */
export function parseEntry(line: string): JournalEntry | null {
  try {
    const { UNIT_RESULT: result, __REALTIME_TIMESTAMP: us } = JSON.parse(line) as Record<string, unknown>;
    return typeof result === 'string' && Number.isFinite(Number(us)) ? { result, atMs: Number(us) / 1000 } : null;
  } catch {
    return null;
  }
}
