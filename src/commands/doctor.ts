import { examine } from './doctor/examine.js';
import { inOrder, linesOf } from './doctor/report.js';
import type { DoctorOptions } from './options.js';

/** `heapwarden doctor`: what is wrong with the installation, each with the line to change. Returns the exit status. */
export async function doctor(options: DoctorOptions, version: string, print: (line: string) => void): Promise<number> {
  const verdict = await examine(options, version);
  const findings = inOrder(verdict.findings);
  if (options.json) print(JSON.stringify({ findings, not_checked: verdict.notChecked }, null, 2));
  else for (const line of linesOf({ ...verdict, findings })) print(line);
  return findings.some(({ severity }) => severity === 'problem') ? 1 : 0;
}
