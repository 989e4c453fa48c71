/** A process and a port, looked at from outside. Linux: it reads /proc. */
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';

/** The page of every Linux on x86-64, and of most on arm64; checked by bench.test.ts against VmRSS. */
const PAGE_BYTES = 4096;

export interface ProcessSample {
  rssBytes: number;
  /** Clock ticks since boot; with the pid, it tells a process from a later one. */
  start: number;
}

/**
 * One look at /proc/PID/stat (proc(5): field 3 state, 22 starttime, 24 rss), or null where the process has gone or is a
 * zombie. Synchronous, so that the time beside it is the time of the reading; it takes some 20 µs.
 */
export function sampleProcess(pid: number): ProcessSample | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The command's name stands in parentheses, and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  return { start: Number(fields[19]), rssBytes: Number(fields[21]) * PAGE_BYTES };
}

/** Body of a GET on a connection of its own. Rejects where there is no whole answer of status 200 in time. */
export function ask(port: number, path = '/', timeoutMs = 1000): Promise<string> {
  return new Promise((resolve, reject) => {
    const agent = new Agent();
    const signal = AbortSignal.timeout(timeoutMs);
    const request = get({ host: '127.0.0.1', port, path, agent, signal }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(body);
        else reject(new Error(`status ${response.statusCode}`));
      });
    });
    request.on('error', reject);
  });
}

/** Pid of the process that answers on the port, or null where nobody does. */
export function answeringPid(port: number): Promise<number | null> {
  return ask(port).then(Number, () => null);
}
