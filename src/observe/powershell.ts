/** Windows PowerShell, the one that every Windows has: 5.1. */
import { execFile } from 'node:child_process';
import { win32 } from 'node:path';
import { systemProgram } from '../supervisors/system-program.js';
import { formatElapsed } from '../units.js';

/** Runs a script and answers with what it wrote. Rejects where it cannot be run, fails, or takes too long. */
export type RunScript = (script: string) => Promise<string>;

/** A cold PowerShell on a busy machine takes some seconds, and WMI behind it may. */
const TIMEOUT_MS = 30_000;

/**
 * Text goes into a pipe in the console's code page unless told otherwise, and a service may have no console to tell.
 * Without `Stop`, a failure would look like an empty answer.
 */
const PRELUDE = [
  "$ErrorActionPreference = 'Stop'",
  "$ProgressPreference = 'SilentlyContinue'",
  'try { [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false } catch { }',
];

/** The arguments of powershell.exe: nothing of the user's profile, no questions. Pure. */
export function powershellArguments(script: string): string[] {
  return ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', [...PRELUDE, script].join('; ')];
}

export function runPowershell(script: string, timeoutMs = TIMEOUT_MS): Promise<string> {
  const program = systemProgram(win32.join('WindowsPowerShell', 'v1.0', 'powershell.exe'));
  const options = { windowsHide: true, timeout: timeoutMs, maxBuffer: 64 * 2 ** 20 };
  return new Promise((resolve, reject) => {
    execFile(program, powershellArguments(script), options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      // execFile's own message is the whole script.
      const why = error.killed ? `it had not ended after ${formatElapsed(timeoutMs)}` : stderr.trim() || String(error.code);
      reject(new Error(`${program} failed: ${why}`, { cause: error }));
    });
  });
}
