import { Cron } from 'croner';
import { parseBudget, parseBytes, parseDuration, parsePercent } from '../units.js';
import type { Unit } from './schema.js';

/** How a text of the config file becomes a value, and what to tell a person whose text does not. */
export interface Reading {
  /** The value; null where the text is none. May throw an Error that says why it is none. */
  read(text: string): unknown;
  /** What it should have been: `"500XB" is not <what>; write it like <like>`. */
  what: string;
  like: string;
}

export const READINGS: Readonly<Record<Unit, Reading>> = {
  bytes: { read: parseBytes, what: 'a size', like: '500MB, 1.5GiB or 512M' },
  duration: { read: parseDuration, what: 'a duration', like: '30s, 5m or 1h30m' },
  percent: { read: parsePercent, what: 'a percentage of at most 100%', like: '80%' },
  budget: { read: parseBudget, what: 'a restart budget', like: '5/1h (at most 5 restarts in any hour)' },
  cron: { read: readCron, what: 'a cron schedule', like: '"0 */6 * * *" (minute hour day month weekday)' },
  time_zone: { read: readTimeZone, what: 'a time zone', like: 'Europe/Berlin or UTC' },
  regex: { read: readRegex, what: 'a regular expression', like: "'^\\S*node /srv/shop/server\\.js( |$)'" },
  url: { read: readUrl, what: 'an http or https URL', like: 'http://127.0.0.1:3000/health' },
  address: { read: readAddress, what: 'a host and port', like: '127.0.0.1:3000 or "[::1]:3000"' },
};

function readCron(text: string): string {
  // croner also takes single dates and seconds, which a schedule of ours has no use for.
  const fields = text.trim().split(/\s+/).length;
  if (fields !== 5 && !/^@\w+$/.test(text)) throw new Error(`it has ${fields} field${fields === 1 ? '' : 's'}, not 5`);
  const schedule = new Cron(text, { paused: true, mode: fields === 5 ? '5-part' : 'auto' });
  if (!schedule.nextRun()) throw new Error('that time never comes');
  return text;
}

/** A name of the IANA time zone database, as Intl knows it. */
function readTimeZone(text: string): string | null {
  try {
    Intl.DateTimeFormat('en', { timeZone: text });
    return text;
  } catch {
    return null;
  }
}

function readRegex(text: string): string | null {
  if (text === '') return null; // would match every process
  try {
    RegExp(text);
    return text;
  } catch {
    return null; // V8's words for it differ from one Node.js to the next
  }
}

function readUrl(text: string): string | null {
  return /^https?:\/\//.test(text) && URL.canParse(text) ? text : null;
}

function readAddress(text: string): string | null {
  const port = /^(?:[^:\s]+|\[[^\]\s]+\]):(\d+)$/.exec(text)?.[1];
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535 ? text : null;
}
