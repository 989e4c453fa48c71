/** What doctor prints. Pure. */
import { SEVERITIES, type Finding, type Fix, type Verdict } from './finding.js';

export function inOrder(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

const WIDTH = Math.max(...SEVERITIES.map(({ length }) => length)) + 2;
const INDENT = ' '.repeat(WIDTH);

/** Two lines a finding, then what was not checked, then the sums. */
export function linesOf({ findings, notChecked }: Verdict): string[] {
  return [
    ...findings.flatMap(({ severity, message, code, fix }) => [
      `${severity.padEnd(WIDTH)}${message} [${code}]`,
      ...(fix ? textOf(fix).split('\n').map((line, i) => `${INDENT}${i === 0 ? '→ ' : '  '}${line}`) : []),
    ]),
    ...notChecked.map((what) => `not checked: ${what}`),
    sums(findings, notChecked.length),
  ];
}

function textOf({ file, line, text }: Fix): string {
  return file === null ? text : `${file}${line === null ? '' : `:${line}`}: ${text}`;
}

function sums(findings: readonly Finding[], unchecked: number): string {
  const counts = SEVERITIES.map((severity) => [severity, findings.filter((finding) => finding.severity === severity).length] as const);
  const told = counts.filter(([, count]) => count > 0).map(([severity, count]) => `${count} ${severity}${count === 1 ? '' : 's'}`);
  return [told.length > 0 ? told.join(', ') : 'nothing found', ...(unchecked > 0 ? [`${unchecked} not checked`] : [])].join(', ');
}
