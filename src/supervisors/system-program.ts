import { win32 } from 'node:path';

/** A program of Windows itself, by its whole path: a name alone is looked for in the working directory first. */
export function systemProgram(name: string, env: NodeJS.ProcessEnv = process.env): string {
  return win32.join(env['SystemRoot'] ?? 'C:\\Windows', 'System32', name);
}
