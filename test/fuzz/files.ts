/** What heapwarden has written itself, and what a disk, a power cut or somebody else has made of it. */
import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { dayFile, parseDayFile } from '../../src/act/day-file.js';
import { linesOf, parseJournal, textOf, type JournalContent } from '../../src/act/journal-lines.js';
import { DAY_COLUMNS, DAY_RING, DayRing } from '../../src/observe/day.js';
import { parseHeld } from '../../src/relay/relay-journal.js';
import { deathOf, incidentOf } from '../act/support.js';
import { anyText, damagedBytes, damagedText, jsonWith } from './damage.js';
import { target } from './target.js';

const JOURNAL = [
  textOf({ v: 1, type: 'incident', incident: incidentOf({ id: 'one', outcome: null }) }),
  textOf({ v: 1, type: 'outcome', id: 'one', outcome: incidentOf({ id: 'one' }).outcome! }),
  textOf({ v: 1, type: 'incident', incident: incidentOf({ id: 'two' }) }),
  textOf({ v: 1, type: 'incident', incident: deathOf({ id: 'three' }) }),
  textOf({ v: 1, type: 'app', app: 'shop', state: { pause: { untilMs: null }, freshSinceMs: 1, schedule: null } as never }),
].join('');

const KEYS = ['v', 'type', 'incident', 'outcome', 'id', 'app', 'worker', 'reason', 'asked', 'origin', 'sentence', 'atMs', 'action', 'alert', 'before', 'state', 'pause', 'untilMs', '__proto__'];
const WORDS = [1, 'incident', 'outcome', 'app', 'restart', 'refuse', 'death'];

const lines = (content: JournalContent): string => linesOf(content).map(textOf).join('');

/** As what it says is read again, and written again, nothing changes any more. */
function isRead(text: string): void {
  const content = parseJournal(text);
  const count = text.split('\n').filter((line) => line !== '').length;
  assert.ok(content.damaged >= 0 && content.damaged <= count && content.incidents.length <= count);
  const again = parseJournal(lines(content));
  assert.equal(again.damaged, 0);
  assert.equal(lines(again), lines(content));
}

const someJson = jsonWith(KEYS, WORDS);

const ring = fc.record({ newest: fc.integer({ min: -1, max: 1e9 }), cells: fc.array(fc.float(), { maxLength: 20 }) }).map(({ newest, cells }) => {
  const all = new Float32Array(DAY_RING.slices * Object.keys(DAY_COLUMNS).length).fill(NaN);
  all.set(cells);
  return new DayRing(DAY_RING, all, newest);
});
const pages = fc.array(fc.record({ app: fc.string(), worker: fc.string(), day: ring }), { maxLength: 3 });
const SOME_DAYS = fc.sample(pages, { numRuns: 5, seed: 1 }).map((some) => Buffer.concat(dayFile(some)));

export const files = [
  target('journal: damaged', damagedText([JOURNAL]), isRead),
  target('journal: any lines', fc.array(fc.oneof(anyText, someJson.map((value) => JSON.stringify(value))), { maxLength: 6 }).map((all) => all.join('\n')), isRead),
  target('journal of the relay: any lines', fc.array(fc.oneof(anyText, jsonWith([...KEYS, 'instance', 'since_ms', 'fingerprint', 'labels'], ['held', 'done', 1]).map((value) => JSON.stringify(value))), { maxLength: 6 }), (all) => {
    const { held, damaged } = parseHeld(all.join('\n'));
    assert.ok(damaged + held.length <= all.join('\n').split('\n').length);
  }),
  target('day.bin: as written', pages, (some) => {
    const file = Buffer.concat(dayFile(some));
    const read = parseDayFile(file);
    assert.ok(read);
    assert.ok(Buffer.concat(dayFile(read)).equals(file));
  }),
  target('day.bin: damaged', fc.oneof(damagedBytes(SOME_DAYS), fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes))), (file) => {
    for (const { day } of parseDayFile(file) ?? []) {
      const now = Date.UTC(2026, 0, 1);
      day.add(now, { resident: 1, heap_used: 1, heap_live: 1, lag: 1, gc_share: 1, spanMs: 1 });
      assert.equal(day.read(now).columns.resident.length, DAY_RING.slices);
    }
  }),
];
