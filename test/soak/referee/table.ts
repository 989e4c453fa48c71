import type { Finding } from './records.js';

/** So many of one kind are told in full. */
const TOLD = 20;

export function verdict(findings: readonly Finding[]): string {
  const rows = findings.map(({ check, cases, violations, seen }) => [check, String(cases), violations.length === 0 ? 'holds' : `${violations.length} TIMES NOT`, seen]);
  const all = [['the referee looked for', 'cases', 'verdict', 'seen'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]!.length)));
  const lines = all.map((row) => row.map((cell, i) => (i === 1 ? cell.padStart(widths[1]!) : cell.padEnd(widths[i] ?? 0))).join('  ').trimEnd());
  const told = findings.flatMap(({ check, violations }) => {
    const more = violations.length > TOLD ? [`  and ${violations.length - TOLD} more`] : [];
    return violations.length === 0 ? [] : ['', `${check}:`, ...violations.slice(0, TOLD).map((text) => `  ${text}`), ...more];
  });
  return [...lines, ...told].join('\n');
}
