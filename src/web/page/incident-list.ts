import type { IncidentStatus } from '../../publish/incident-shape.js';
import { withToken } from './actions.js';
import { evidence as fetchEvidence } from './api.js';
import { h } from './dom.js';
import { leakWords } from '../../publish/leak-words.js';
import { bytes, time } from './words.js';

/** Of a text file so many lines are shown; the whole is to be downloaded. */
const FIRST_LINES = 24;
const TEXTS = ['suspects.txt', 'stack.txt', 'output.txt'];

/** What happened: newest first. An open one stays open when the list changes. */
export class IncidentList {
  readonly #host: HTMLElement;
  readonly #items = new Map<string, { text: string; element: HTMLElement }>();

  constructor(host: HTMLElement) {
    this.#host = host;
  }

  update(incidents: readonly IncidentStatus[]): void {
    const present = new Set(incidents.map(({ id }) => id));
    for (const [id, { element }] of this.#items) {
      if (present.has(id)) continue;
      element.remove();
      this.#items.delete(id);
    }
    let before: Element | null = null;
    for (const incident of incidents) {
      const text = JSON.stringify(incident);
      const known = this.#items.get(incident.id);
      const element: HTMLElement = known?.text === text ? known.element : this.#replace(known?.element, incident);
      this.#items.set(incident.id, { text, element });
      const place: Element | null = before === null ? this.#host.firstElementChild : before.nextElementSibling;
      if (place !== element) this.#host.insertBefore(element, place);
      before = element;
    }
  }

  #replace(old: HTMLElement | undefined, incident: IncidentStatus): HTMLElement {
    const wasFocused = old?.querySelector('summary') === document.activeElement;
    const element = itemOf(incident, old?.querySelector('details')?.open ?? false);
    old?.replaceWith(element);
    if (old && wasFocused) element.querySelector('summary')?.focus();
    return element;
  }
}

function itemOf(incident: IncidentStatus, open: boolean): HTMLElement {
  const { id, app, worker, action, reason, sentence, timestamp_seconds, before, outcome, death } = incident;
  const result = outcome?.result ?? { restart: 'under way', refuse: 'refused', death: 'died' }[action];
  const evidence = outcome?.evidence ?? death?.evidence;
  const leak = leakWords(incident);
  const facts = [
    h('p', {}, sentence),
    outcome && h('p', {}, outcome.sentence),
    before && h('p', { class: 'soft' }, `Memory ${memoryWords(before.resident_memory_bytes, outcome?.after?.resident_memory_bytes ?? null)}.`),
    leak && h('p', {}, `Then ${leak}.`),
    evidence?.finding ? h('p', { class: 'finding' }, `${evidence.finding}.`) : null,
    ...(evidence?.notes ?? []).map((note) => h('p', { class: 'soft' }, note)),
    filesOf(id, evidence?.files ?? []),
  ];
  const summary = h(
    'summary',
    {},
    h('time', { datetime: new Date(timestamp_seconds * 1000).toISOString() }, time(timestamp_seconds)),
    ' ',
    h('strong', {}, `${app}/${worker}`),
    ` ${reason} `,
    h('span', { class: 'state' }, result),
  );
  return h('li', { 'data-tone': toneOf(incident) }, h('details', { open }, summary, ...facts));
}

function memoryWords(before: number, after: number | null): string {
  return after === null ? bytes(before) : `${bytes(before)} before, ${bytes(after)} after`;
}

function toneOf({ action, outcome }: IncidentStatus): string {
  if (action === 'death') return 'critical';
  if (action !== 'restart' || outcome?.result === 'cancelled') return 'notice';
  if (!outcome) return 'notice';
  return outcome.result === 'recovered' ? 'good' : 'critical';
}

/** With the token: output and heap hold what the app holds. */
function filesOf(incident: string, files: readonly string[]): HTMLElement | null {
  if (files.length === 0) return null;
  const shown = h('pre', { hidden: true, tabindex: '0', role: 'region', 'aria-label': 'first lines' });
  const button = (verb: string, file: string, take: (blob: Blob) => Promise<string>): HTMLElement => {
    const element = h('button', { type: 'button' }, `${verb} ${file}`);
    element.addEventListener('click', () => {
      void withToken(`${verb} ${file}`, async (token) => take(await fetchEvidence(token, incident, file)));
    });
    return element;
  };
  const show = (file: string) => async (blob: Blob): Promise<string> => {
    const lines = (await blob.text()).trimEnd().split('\n');
    const rest = lines.length - FIRST_LINES;
    shown.textContent = lines.slice(0, FIRST_LINES).join('\n') + (rest > 0 ? `\n… and ${rest} more; download the file to read them` : '');
    shown.setAttribute('aria-label', `first lines of ${file}`);
    shown.hidden = false;
    return `${file} is shown at its incident`;
  };
  const save = (file: string) => async (blob: Blob): Promise<string> => download(blob, `${incident}-${file}`);
  const texts = TEXTS.filter((file) => files.includes(file));
  return h(
    'div',
    {},
    h('div', { class: 'buttons' }, ...texts.map((file) => button('Show', file, show(file))), ...files.map((file) => button('Download', file, save(file)))),
    shown,
  );
}

function download(blob: Blob, name: string): string {
  const link = h('a', { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return `${name} is downloaded`;
}
