import type { Range } from '../../publish/day.js';
import type { IncidentStatus } from '../../publish/incident-shape.js';
import type { AppStatus } from '../../publish/app-shape.js';
import type { WardenStatus } from '../../http/port.js';
import { AppSection } from './app-section.js';
import { byId, setText } from './dom.js';
import { IncidentList } from './incident-list.js';
import { follow } from './stream.js';
import { summaryOf } from './words.js';

/** The page: what the stream tells, in its place. */
class Page {
  readonly #sections = new Map<string, AppSection>();
  readonly #incidents = new IncidentList(byId('incidents'));
  readonly #filter = byId<HTMLInputElement>('filter');
  #known: readonly IncidentStatus[] = [];
  #range: Range = '1h';
  /** The warden's clock, in seconds since the Unix epoch: this machine's may be wrong. */
  #now = Date.now() / 1000;

  constructor() {
    this.#filter.addEventListener('input', () => this.#sift());
    // Enter would send the form, which the page's policy forbids.
    this.#filter.form?.addEventListener('submit', (event) => event.preventDefault());
    for (const choice of document.querySelectorAll<HTMLInputElement>('input[name=range]')) {
      choice.addEventListener('change', () => {
        this.#range = choice.value as Range;
        for (const section of this.#sections.values()) section.reload(this.#range);
      });
    }
  }

  status({ version, now_seconds, config_ok, state_writable, trigger, sample_interval_seconds }: WardenStatus): void {
    this.#now = now_seconds;
    setText(byId('version'), version);
    const facts = [`measured every ${sample_interval_seconds} s`, `trigger: ${trigger}`];
    const troubles = [
      !config_ok && 'the last reload of the config failed; the one before stays',
      !state_writable && 'the state folder cannot be written: nothing is restarted until it can',
    ].filter((trouble) => trouble !== false);
    setText(byId('warden'), facts.join(' · '));
    setText(byId('troubles'), troubles.join('. '));
  }

  apps(apps: readonly AppStatus[]): void {
    const host = byId('apps');
    const managed = new Map(apps.map((status) => [status.app, status.managed]));
    // A reload may have put it into the config, or taken it out: it is made anew.
    for (const [name, section] of this.#sections) {
      if (managed.get(name) === section.managed) continue;
      section.close();
      this.#sections.delete(name);
    }
    for (const status of apps) {
      let section = this.#sections.get(status.app);
      if (!section) {
        section = new AppSection(status, this.#range);
        this.#sections.set(status.app, section);
        host.append(section.element);
        section.update(status, this.#now);
        section.mark(this.#known);
      } else section.update(status, this.#now);
    }
    byId('nothing').hidden = apps.length > 0;
    const summary = summaryOf(apps);
    setText(byId('summary'), summary);
    document.title = `${summary} – heapwarden`;
    this.#sift();
  }

  incidents(incidents: readonly IncidentStatus[]): void {
    this.#known = incidents;
    this.#incidents.update(incidents);
    byId('quiet').hidden = incidents.length > 0;
    for (const section of this.#sections.values()) section.mark(incidents);
  }

  live(isLive: boolean): void {
    document.body.dataset['live'] = String(isLive);
    setText(byId('connection'), isLive ? 'live' : 'heapwarden cannot be reached or is silent; what is shown is old. Trying again …');
    // Gaps in what was seen are filled from the warden's own memory.
    if (isLive) for (const section of this.#sections.values()) section.reload(this.#range);
  }

  #sift(): void {
    for (const section of this.#sections.values()) section.element.hidden = !section.matches(this.#filter.value);
  }
}

follow(new Page());
