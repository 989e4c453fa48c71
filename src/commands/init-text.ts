/** Pure: what was found on a machine, as a commented config. */
import { formatBytes } from '../units.js';

export interface FoundApp {
  by: 'pm2' | 'systemd' | 'docker' | 'port';
  /** PM2's name, the unit, the container; of a bare process, what it is called here. */
  name: string;
  /** Of a bare process: where it listens. */
  port?: number;
  /** Its processes' memory with that of their children, each worker's, in bytes; empty where that cannot be seen. */
  rssBytes: number[];
  /** Whether something is known to start it again when it has been stopped. */
  comesBack: boolean;
  /** For a person: what it is, and what to know of it. */
  notes: string[];
}

export interface Found {
  apps: FoundApp[];
  /** Whole lines: what was seen and is not in the config, and why; what could not be looked at. */
  leftOut: string[];
}

export interface TextFacts extends Found {
  hostname: string;
  date: string;
  /** Bytes of memory that the machine has. */
  totalBytes: number;
}

const MB = 1e6;
/** A restart below this would hit a small app that merely has something to do. */
const LEAST_RESTART = 256 * MB;

export interface SuggestedLimits {
  warning: number;
  restart: number;
}

/**
 * Limits for an app that takes `rssBytes` now: a restart at twice that, at least 256 MB, and a warning half way. Never
 * above 80 % of the machine, where nobody is left to restart anything; null where the app is close to that already.
 */
export function suggestLimits(rssBytes: number, totalBytes: number): SuggestedLimits | null {
  const restart = Math.min(Math.max(2 * rssBytes, LEAST_RESTART), 0.8 * totalBytes);
  if (restart < 1.2 * rssBytes) return null;
  const round = (bytes: number) => Math.floor(bytes / (10 * MB)) * 10 * MB;
  return { warning: round(rssBytes + (restart - rssBytes) / 2), restart: round(restart) };
}

export function configText(facts: TextFacts): string {
  const names = uniqueNames(facts.apps);
  const leftOut = facts.leftOut.length === 0 ? [] : ['#', '# Not in here:', ...facts.leftOut.map((line) => `#   - ${plain(line)}`)];
  const lines = [
    `# Written by "heapwarden init" on ${plain(facts.hostname)}, ${facts.date}.`,
    '# The limits are guesses from what each app takes now: better ones are above what it takes at its busiest.',
    '# After a change: heapwarden check',
    ...leftOut,
    '',
    '# embedded: heapwarden restarts by itself. alertmanager: only where Alertmanager says so. both: see README.',
    'trigger: embedded',
    '',
    ...(facts.apps.length === 0 ? NO_APPS : ['apps:', ...facts.apps.flatMap((app, i) => appLines(app, names[i]!, facts.totalBytes))]),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

const NO_APPS = [
  '# No app was found. One that heapwarden itself runs looks like this:',
  '# apps:',
  '#   - name: shop',
  '#     supervisor: { child: { command: [node, server.js] } }',
  '#     limits: { rss: { warning: 400MB, restart: 512MB } }',
  'apps: []',
];

function appLines(app: FoundApp, name: string, totalBytes: number): string[] {
  const restarts = app.comesBack ? [] : [
    '    # Nothing is known to start it again once it has been stopped, so heapwarden only says what it would do. Put the',
    '    # command that restarts it in the place of the signal, as in restart: [supervisorctl, restart, shop], and take',
    '    # the next line out.',
    '    dry_run: true',
  ];
  return [
    ...app.notes.map((note) => `  # ${plain(note)}`),
    `  - name: ${scalar(name)}`,
    `    supervisor: ${supervisorText(app)}`,
    ...limitLines(app, totalBytes),
    ...restarts,
    '',
  ];
}

function supervisorText({ by, name, port }: FoundApp): string {
  if (by === 'port') return `{ external: { port: ${port}, restart: { signal: SIGTERM } } }`;
  return `{ ${by}: ${scalar(name)} }`;
}

function limitLines({ rssBytes }: FoundApp, totalBytes: number): string[] {
  if (rssBytes.length === 0) {
    return ['    # Its memory could not be measured, so it has no limits yet:', '    # limits: { rss: { warning: 400MB, restart: 512MB } }'];
  }
  const most = Math.max(...rssBytes);
  const limits = suggestLimits(most, totalBytes);
  const who = rssBytes.length === 1 ? 'It takes' : `The largest of its ${rssBytes.length} processes takes`;
  if (!limits) {
    return [`    # ${who} ${formatBytes(most)} of this machine's ${formatBytes(totalBytes)} already: no limit is suggested.`];
  }
  const why = limits.restart >= 2 * most - 10 * MB && limits.restart < 2 * most + 10 * MB ? 'restart at twice that' : boundWords(limits, totalBytes);
  const [warning, restart] = [limits.warning, limits.restart].map((bytes) => `${bytes / MB}MB`);
  return [`    # ${who} ${formatBytes(most)} now; ${why}, warning half way.`, `    limits: { rss: { warning: ${warning}, restart: ${restart}, for: 30s } }`];
}

function boundWords({ restart }: SuggestedLimits, totalBytes: number): string {
  if (restart > 0.8 * totalBytes - 10 * MB) return `restart at 80 % of this machine's ${formatBytes(totalBytes)}`;
  return 'restart at 256 MB, the least that leaves room to work';
}

/** The name it has, else with where it was found, else with a number. */
export function uniqueNames(apps: readonly FoundApp[]): string[] {
  const taken = new Set<string>();
  return apps.map(({ name, by }) => {
    const base = plain(name.replace(/\.service$/, '')).slice(0, 180);
    const candidates = [base, `${base}-${by}`];
    for (let n = 2; candidates.every((candidate) => taken.has(candidate)); n++) candidates.push(`${base}-${n}`);
    const free = candidates.find((candidate) => !taken.has(candidate))!;
    taken.add(free);
    return free;
  });
}

/** On one line, whatever a process calls itself. */
function plain(text: string): string {
  return text.replaceAll(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ');
}

/** As YAML: in quotes wherever it could mean anything else than text. */
function scalar(text: string): string {
  const isPlain = /^[A-Za-z][\w.@-]*$/.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text);
  const quoted = JSON.stringify(text);
  const hex = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return isPlain ? text : quoted.replaceAll(/[\x7f-\x9f\u2028\u2029]/g, hex);
}
