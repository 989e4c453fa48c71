/**
 * Pure: families as text, to the letter as prom-client 15 renders them, in a fifth of its time. Formats:
 * https://prometheus.io/docs/instrumenting/exposition_formats/ and https://prometheus.io/docs/specs/om/open_metrics_spec/
 */
import type { Family, Labels, Sample } from './family.js';

export type Exposition = 'text' | 'openmetrics';

/** OpenMetrics names a counter's family without the ending that its samples have. */
function familyName({ name, type }: Family, exposition: Exposition): string {
  return exposition === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name;
}

/** The two lines before a family's samples. */
export function headOf(family: Family, exposition: Exposition): string {
  const name = familyName(family, exposition);
  return `# HELP ${name} ${escaped(family.help)}\n# TYPE ${name} ${family.type}\n`;
}

/** Labels that samples share, by the text that they have become. Of one page: what they hold does not change meanwhile. */
export type LabelTexts = Map<Labels, string>;

/** Makes a line of each of the family's samples. */
export class LineMaker {
  readonly #ending: string;
  readonly #own: string;
  readonly #texts: LabelTexts;

  constructor(family: Family, exposition: Exposition, texts: LabelTexts) {
    this.#ending = exposition === 'openmetrics' && family.type === 'counter' ? '_total' : '';
    this.#own = familyName(family, exposition) + this.#ending;
    this.#texts = texts;
  }

  line({ metricName, labels, more, value }: Sample): string {
    const name = metricName === undefined ? this.#own : metricName + this.#ending;
    const first = textOf(labels, this.#texts);
    const second = more === undefined ? '' : textOf(more, this.#texts);
    const all = first === '' || second === '' ? first + second : `${first},${second}`;
    return all === '' ? `${name} ${numberText(value)}\n` : `${name}{${all}} ${numberText(value)}\n`;
  }
}

/** What stands between two families, and at the end of the page. */
export const SEPARATORS: Record<Exposition, string> = { text: '\n', openmetrics: '' };
export const ENDS: Record<Exposition, string> = { text: '', openmetrics: '# EOF\n' };

function textOf(labels: Labels, texts: LabelTexts): string {
  const known = texts.get(labels);
  if (known !== undefined) return known;
  let text = '';
  for (const name in labels) text += `${text === '' ? '' : ','}${name}="${labelValue(labels[name]!)}"`;
  texts.set(labels, text);
  return text;
}

/** prom-client's own metrics have numbers among theirs. */
function labelValue(value: string | number): string | number {
  return typeof value === 'string' && SPECIAL.test(value) ? escaped(value).replaceAll('"', '\\"') : value;
}

const SPECIAL = /[\\\n"]/;

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
