import { readFileSync, readdirSync } from 'node:fs';
import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { stringify } from 'yaml';
import { parseConfig } from '../../src/config/parse.js';
import { ConfigError } from '../../src/errors.js';
import { parseBudget, parseBytes, parseDuration, parsePercent } from '../../src/units.js';
import { damagedText, jsonWith } from './damage.js';
import { target } from './target.js';

const folder = new URL('../config/', import.meta.url);
const samples = [
  readFileSync(new URL('full.yml', folder), 'utf8'),
  ...readdirSync(new URL('bad/', folder)).filter((name) => name.endsWith('.yml')).map((name) => readFileSync(new URL(`bad/${name}`, folder), 'utf8')),
];

const KEYS = [
  'trigger', 'fallback_after', 'sample_interval', 'state_dir', 'agent_socket', 'agent_socket_group', 'auth', 'token_file', 'defaults', 'apps', 'name',
  'supervisor', 'child', 'command', 'cwd', 'env', 'instances', 'listen', 'pm2', 'systemd', 'docker', 'external', 'match', 'port', 'restart', 'limits',
  'rss', 'heap', 'freeze', 'uptime', 'warning', 'critical', 'for', 'schedule', 'windows', 'cron', 'duration', 'time_zone', 'memory', 'runtime', 'ready',
  'http', 'budget', 'cooldown', 'evidence', 'keep',
];
const VALUES = ['500MB', '80%', '30s', '5/1h', '0 */6 * * *', 'Europe/Paris', '127.0.0.1:80', 'http://x/', '(a+)+$', 'shop@*.service', ['a'], { child: { command: ['x'] } }];

const outcomeOf = (text: string): unknown => outcomeOfReading(text, () => parseConfig(text, { file: '/etc/heapwarden.yml' }));

/** The config, or what is wrong with it, each thing in a place that there is. */
export function outcomeOfReading(text: string, read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof ConfigError, `it threw ${error}`);
    assert.ok(error.problems.length > 0);
    const lines = text.split('\n').length;
    for (const { line, column, message, source } of error.problems) {
      assert.ok(line >= 1 && line <= lines, `line ${line} of ${lines}`);
      assert.ok(column >= 1, `column ${column}`);
      assert.ok(message !== '' && typeof source === 'string');
    }
    return error.problems.map(({ message }) => message);
  }
}

/** Each as many lines long as it is deep: aliases that name aliases, and brackets within brackets. */
export const bombs = fc.record({ depth: fc.integer({ min: 1, max: 1500 }), kind: fc.constantFrom('aliases', 'chain', 'lists', 'maps', 'keys') }).map(({ depth, kind }) => {
  if (kind === 'lists') return `apps: ${'['.repeat(depth)}${']'.repeat(depth)}`;
  if (kind === 'maps') return `apps: ${'{a: '.repeat(depth)}1${'}'.repeat(depth)}`;
  if (kind === 'keys') return `${'? '.repeat(depth)}a`;
  if (kind === 'chain') return Array.from({ length: depth }, (_level, i) => `k${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1}`}]`).join('\n');
  const levels = Array.from({ length: Math.min(depth, 60) }, (_level, i) => `k${i}: &a${i} [${i === 0 ? 'x' : Array(9).fill(`*a${i - 1}`).join(', ')}]`);
  return levels.join('\n');
});

export const config = [
  target('config: damaged files', damagedText(samples), (text) => void outcomeOf(text)),
  target('config: bombs', bombs, (text) => void outcomeOf(text)),
  target('config: YAML and JSON say the same', jsonWith(KEYS, VALUES), (value) => {
    assert.deepEqual(outcomeOf(stringify(value)), outcomeOf(JSON.stringify(value)));
  }),
  target('config: units', fc.oneof(fc.string({ maxLength: 400 }), damagedText(['1h30m', '500MB', '1.5GiB', '80%', '5/1h'])), (text) => {
    for (const number of [parseBytes(text), parseDuration(text)]) assert.ok(number === null || (Number.isSafeInteger(number) && number >= 0));
    const ratio = parsePercent(text);
    assert.ok(ratio === null || (ratio >= 0 && ratio <= 1));
    const budget = parseBudget(text);
    assert.ok(budget === null || (Number.isFinite(budget.count) && budget.windowMs > 0));
  }),
];
