import type { IncidentStatus } from '../../publish/incidents.js';
import { withToken } from './actions.js';
import { evidence } from './api.js';
import { h } from './dom.js';
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
    const element = itemOf(incident, old?.querySelector('details')?.open ?? false);
    old?.replaceWith(element);
    return element;
  }
}

function itemOf(incident: IncidentStatus, open: boolean): HTMLElement {
  const { id, app, worker, action, reason, sentence, timestamp_seconds, before, outcome } = incident;
  const result = outcome?.result ?? (action === 'restart' ? 'under way' : 'refused');
  const facts = [
    h('p', {}, sentence),
    outcome && h('p', {}, outcome.sentence),
    h('p', { class: 'soft' }, `Memory ${bytes(before?.resident_memory_bytes ?? null)} before, ${bytes(outcome?.after?.resident_memory_bytes ?? null)} after.`),
    outcome?.evidence?.finding ? h('p', { class: 'finding' }, `${outcome.evidence.finding}.`) : null,
    ...(outcome?.evidence?.notes ?? []).map((note) => h('p', { class: 'soft' }, note)),
    filesOf(id, outcome?.evidence?.files ?? []),
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

function toneOf({ action, outcome }: IncidentStatus): string {
  if (action !== 'restart' || outcome?.result === 'cancelled') return 'notice';
  if (!outcome) return 'notice';
  return outcome.result === 'recovered' ? 'good' : 'critical';
}

function filesOf(incident: string, files: readonly string[]): HTMLElement | null {
  if (files.length === 0) return null;
  const shown = h('pre', { hidden: true, tabindex: '0', 'aria-label': 'first lines' });
  const buttons = files.map((file) => {
    const isText = TEXTS.includes(file);
    const button = h('button', { type: 'button' }, isText ? `Show ${file}` : `Download ${file}`);
    button.addEventListener('click', () => {
      void withToken(`Read ${file}`, async (token) => {
        const blob = await evidence(token, incident, file);
        if (!isText) return download(blob, `${incident}-${file}`);
        const lines = (await blob.text()).split('\n');
        const rest = lines.length - FIRST_LINES;
        shown.replaceChildren(lines.slice(0, FIRST_LINES).join('\n'), rest > 1 ? `\n… ${rest} more lines; the file is in the evidence folder` : '');
        shown.hidden = false;
        return `${file} is shown below its incident`;
      });
    });
    return button;
  });
  return h('div', {}, h('div', { class: 'buttons' }, ...buttons), shown);
}

function download(blob: Blob, name: string): string {
  const link = h('a', { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return `${name} is downloaded`;
}
