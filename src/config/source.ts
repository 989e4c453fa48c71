import { isAlias, isCollection, isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Node } from 'yaml';
import type { ConfigProblem } from '../errors.js';

/** Keys and list positions from the top of the document down to a value. */
export type Path = readonly string[];

/** A place of the document: a value, and the key it stands under where it stands under one. */
interface Entry {
  key: Node | null;
  value: Node | null;
}

/** A config file as it was written: its plain values, and where in the text each of them stands. */
export class Source {
  readonly #text: string;
  readonly #lines = new LineCounter();
  readonly #document;

  constructor(
    readonly file: string,
    text: string,
  ) {
    this.#text = text.replace(/^\uFEFF/, '');
    this.#document = parseDocument(this.#text, { lineCounter: this.#lines, prettyErrors: false });
  }

  /** What keeps the text from being YAML; while there is any, `value` means nothing. */
  syntaxProblems(): ConfigProblem[] {
    const { errors, warnings } = this.#document;
    const problems = [...errors, ...warnings].map(({ code, message, pos }) =>
      this.#problem(
        pos[0],
        code === 'MULTIPLE_DOCS'
          ? 'a second YAML document starts here; keep one in this file'
          : `invalid YAML: ${message}`,
      ),
    );
    if (problems.length > 0) return problems;
    visit(this.#document, {
      Alias: (_, alias, ancestors) => {
        const target = alias.resolve(this.#document);
        if (target && !ancestors.includes(target)) return;
        const message = target
          ? `"*${alias.source}" stands inside the value it stands for`
          : `"*${alias.source}" has no anchor "&${alias.source}" above it; text that starts with * needs quotes`;
        problems.push(this.#problem(alias.range?.[0] ?? 0, message));
      },
    });
    return problems;
  }

  /** The document as plain values, of which no two share an object; null where it is empty. */
  value(): unknown {
    return this.#plain(this.#document.contents);
  }

  has(path: Path): boolean {
    return this.#entry(path) !== null;
  }

  /** A scalar as it was written, without quotes. */
  written(path: Path): string {
    const node = this.#resolved(this.#entry(path)?.value ?? null);
    return isScalar(node) ? (node.source ?? String(node.value)) : '';
  }

  /** The line of a value, from 1. */
  line(path: Path): number {
    return this.#lines.linePos(this.#offset(path, 'value')).line;
  }

  /** A problem with the value at `path`, with its key, or with the nearest thing above it that was written. */
  problem(path: Path, message: string, part: 'key' | 'value' = 'value'): ConfigProblem {
    return this.#problem(this.#offset(path, part), message);
  }

  #problem(offset: number, message: string): ConfigProblem {
    const { line, col } = this.#lines.linePos(offset);
    const source = this.#text.split('\n')[line - 1] ?? '';
    return { file: this.file, line, column: col, message, source: source.replace(/\r$/, '') };
  }

  #offset(path: Path, part: 'key' | 'value'): number {
    let entry = this.#entry(path);
    for (let length = path.length - 1; !entry && length >= 0; length--) entry = this.#entry(path.slice(0, length));
    if (!entry) return 0;
    const { key, value } = entry;
    // A block starts on the line after its key, and a missing value is nowhere: for both a person looks at the key.
    const isMissing = isScalar(value) && value.value === null && !value.source;
    const atKey = part === 'key' || isMissing || (isCollection(value) && !value.flow);
    return ((key && atKey) || !value ? key : value)?.range?.[0] ?? 0;
  }

  #entry(path: Path): Entry | null {
    let entry: Entry = { key: null, value: this.#document.contents };
    for (const step of path) {
      const node = this.#resolved(entry.value);
      if (isMap<Node, Node | null>(node)) {
        const pair = node.items.find(({ key }) => keyText(key) === step);
        if (!pair) return null;
        entry = pair;
      } else if (isSeq<Node>(node)) {
        const item = node.items[Number(step)];
        if (!item) return null;
        entry = { key: null, value: item };
      } else return null;
    }
    return entry;
  }

  #resolved(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
  }

  #plain(written: Node | null): unknown {
    const node = this.#resolved(written);
    if (isMap<Node, Node | null>(node)) {
      return Object.fromEntries(node.items.map(({ key, value }) => [keyText(key), this.#plain(value)]));
    }
    if (isSeq<Node>(node)) return node.items.map((item) => this.#plain(item));
    return isScalar(node) ? node.value : null;
  }
}

function keyText(key: Node): string {
  return String(isScalar(key) ? key.value : key);
}
