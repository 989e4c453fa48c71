import type { Finding } from './records.js';

/** So many of one kind are told in full. */
const TOLD = 20;

export function verdict(findings: readonly Finding[]): string {
  const wordOf = ({ violations, isOpen }: Finding) =>
    violations.length > 0 ? `${violations.length} TIMES NOT` : isOpen ? 'not judged' : 'holds';
  const rows = findings.map((finding) => [finding.check, String(finding.cases), wordOf(finding), finding.seen]);
  const lines = aligned([['the referee looked for', 'cases', 'verdict', 'seen'], ...rows]);
  const told = findings.flatMap(({ check, violations }) => {
    const more = violations.length > TOLD ? [`  and ${violations.length - TOLD} more`] : [];
    return violations.length === 0 ? [] : ['', `${check}:`, ...violations.slice(0, TOLD).map((text) => `  ${text}`), ...more];
  });
  return [lines, ...told].join('\n');
}

/** Columns as wide as they need be; numbers to the right. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isNumber = rows[0]!.map((_, column) => rows.slice(1).every((row) => /^[\d.]+$/.test(row[column]!)));
  const cell = (text: string, i: number) => (isNumber[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!));
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}
