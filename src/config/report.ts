import { ConfigError, type ConfigProblem } from '../errors.js';

/** One problem: `file:line:column: message`, the line as written, and a caret under the column. */
export function renderProblem({ file, line, column, message, source }: ConfigProblem): string {
  // Tabs are repeated, so that the caret stands right whatever width a terminal gives them.
  const indent = source.slice(0, column - 1).replace(/[^\t]/g, ' ');
  return `${file}:${line}:${column}: ${message}\n  ${source}\n  ${indent}^`;
}

/** The error that tells of all problems at once, in the order in which they stand in the file. */
export function configError(problems: readonly ConfigProblem[]): ConfigError {
  // What is written once and used twice, by a YAML alias, is found twice.
  const unlike = new Map(problems.map((problem) => [`${problem.line}:${problem.column}:${problem.message}`, problem]));
  const sorted = [...unlike.values()].toSorted((a, b) => a.line - b.line || a.column - b.column);
  const count = sorted.length === 1 ? '1 problem' : `${sorted.length} problems`;
  return new ConfigError(sorted, [...sorted.map(renderProblem), count].join('\n'));
}
