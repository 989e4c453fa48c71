import {
  type Alias, isAlias, isCollection, isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Node, type YAMLError,
} from 'yaml';
import type { ConfigProblem } from '../errors.js';

/** Keys and list positions from the top of the document down to a value. */
export type Path = readonly string[];

/** A place of the document: a value, and the key it stands under where it stands under one. */
interface Entry {
  key: Node | null;
  value: Node | null;
}

/** Far more than a thousand apps take; aliases that name aliases can make gigabytes of ten lines. */
const MOST_VALUES = 100_000;
/** The schema has eight levels. */
const MOST_DEPTH = 100;

/** Of a value, with all that its aliases stand for. */
interface Extent {
  values: number;
  depth: number;
}

/** A config file as it was written: its plain values, and where in the text each of them stands. */
export class Source {
  readonly #text: string;
  readonly #lines = new LineCounter();
  readonly #document;
  readonly #targets = new Map<Alias, Node>();

  constructor(
    readonly file: string,
    text: string,
  ) {
    this.#text = text.replace(/^\uFEFF/, '');
    this.#document = parseDocument(this.#text, { lineCounter: this.#lines, prettyErrors: false });
    this.#resolveAliases();
  }

  /** All in one walk: yaml's own `resolve` walks through the whole document for each of them. */
  #resolveAliases(): void {
    const anchors = new Map<string, Node>();
    visit(this.#document, {
      Node: (_, node) => {
        if (!isAlias(node)) {
          if (node.anchor) anchors.set(node.anchor, node as Node);
          return;
        }
        const target = anchors.get(node.source);
        if (target) this.#targets.set(node, target);
      },
    });
  }

  /**
   * What keeps the text from being YAML; while there is any, `value` means nothing. `words`: what is told of an error of
   * the parser, which may quote the text.
   */
  syntaxProblems(words: (error: YAMLError) => string = ({ message }) => message): ConfigProblem[] {
    const { errors, warnings } = this.#document;
    const problems = [...errors, ...warnings].map((error) =>
      this.#problem(
        error.pos[0],
        error.code === 'MULTIPLE_DOCS'
          ? 'a second YAML document starts here; keep one in this file'
          : `invalid YAML: ${words(error).replace('Maximum call stack size exceeded', 'lists and groups are nested too deeply')}`,
      ),
    );
    if (problems.length > 0) return problems;
    visit(this.#document, {
      Pair: (_, { key }) => {
        if (!isCollection(key) && !(isAlias(key) && isCollection(this.#targets.get(key)))) return;
        problems.push(this.#problem(key.range?.[0] ?? 0, 'a list or a group stands here as a key; keys are plain text'));
        return visit.BREAK;
      },
    });
    if (problems.length > 0) return problems;
    visit(this.#document, {
      Alias: (_, alias, ancestors) => {
        const target = this.#targets.get(alias);
        if (target && !ancestors.includes(target)) return;
        const message = target
          ? `"*${alias.source}" stands inside the value it stands for`
          : `"*${alias.source}" has no anchor "&${alias.source}" above it; text that starts with * needs quotes`;
        problems.push(this.#problem(alias.range?.[0] ?? 0, message));
      },
    });
    return problems.length > 0 ? problems : this.#excess();
  }

  /** Where the document begins to hold more than any config does, counting what its aliases stand for. */
  #excess(): ConfigProblem[] {
    const extents = new Map<Node, Extent>();
    let excess: { node: Node; message: string } | null = null;
    const extentOf = (node: Node | null): Extent => {
      if (!node) return { values: 1, depth: 1 };
      // An alias stands after what it names, which has been measured then.
      const target = isAlias(node) ? this.#resolved(node) : null;
      if (target) return extents.get(target) ?? extentOf(target);
      const children = isMap<Node, Node | null>(node) ? node.items.map(({ value }) => value) : isSeq<Node>(node) ? node.items : [];
      const extent = { values: 1, depth: 1 };
      for (const child of children) {
        const { values, depth } = extentOf(child);
        extent.values += values;
        extent.depth = Math.max(extent.depth, depth + 1);
        if (excess !== null) return extent;
        if (extent.depth > MOST_DEPTH) excess = { node: child ?? node, message: `more than ${MOST_DEPTH} lists and groups stand within each other here` };
        if (extent.values > MOST_VALUES) excess = { node: child ?? node, message: `the file holds more than ${MOST_VALUES} values, counting each alias as what it stands for` };
      }
      extents.set(node, extent);
      return extent;
    };
    extentOf(this.#document.contents);
    const found = excess as { node: Node; message: string } | null;
    return found ? [this.#problem(found.node.range?.[0] ?? 0, found.message)] : [];
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
    return isAlias(node) ? (this.#targets.get(node) ?? null) : node;
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
