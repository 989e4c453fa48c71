import type { ConfigProblem } from '../errors.js';
import { LEVELS, RESOURCES, type Level } from './schema.js';
import type { Path, Source } from './source.js';

/** Where a merged value was written, and whether what stands there is fit to be compared. */
export interface Origins {
  source: Source;
  /** The path in the file of a value of the merged config: in the app itself, or in `defaults`. */
  originOf(path: Path): Path;
  isDefective(path: Path): boolean;
}

/** Each limit of `settings` (an app's or the defaults') that stands above the next level. Values in one common unit. */
export function limitsOutOfOrder(base: Path, settings: unknown, origins: Origins): ConfigProblem[] {
  const { source, originOf, isDefective } = origins;
  return RESOURCES.flatMap((resource) => {
    const levels = LEVELS.flatMap((level): Limit[] => {
      const path = [...base, 'limits', resource, level];
      const value = valueAt(settings, ['limits', resource, level]);
      return typeof value === 'number' && !isDefective(path) ? [{ level, path: originOf(path), value }] : [];
    });
    return levels.slice(1).flatMap((higher, i) => {
      const lower = levels[i]!;
      if (lower.value <= higher.value) return [];
      // Two limits of `defaults` are compared once, there.
      if (base[0] !== 'defaults' && lower.path[0] === 'defaults' && higher.path[0] === 'defaults') return [];
      return [outOfOrder(lower, higher, source)];
    });
  });
}

interface Limit {
  level: Level;
  /** Where it was written. */
  path: Path;
  value: number;
}

function outOfOrder(lower: Limit, higher: Limit, source: Source): ConfigProblem {
  // Where one of the two comes from `defaults`, the other one, in the app, is what does not fit.
  const isHigherAtFault = lower.path[0] === 'defaults' && higher.path[0] !== 'defaults';
  const [wrong, word, other] = isHigherAtFault ? [higher, 'below', lower] : [lower, 'above', higher];
  const place = other.path[0] === wrong.path[0] ? '' : ` of defaults, line ${source.line(other.path)}`;
  const written = ({ level, path }: Limit) => `${level} (${source.written(path)}`;
  return source.problem(wrong.path, `${written(wrong)}) is ${word} ${written(other)}${place})`);
}

/** Each app that is called like one before it. */
export function duplicateNames(apps: readonly unknown[], source: Source): ConfigProblem[] {
  const firstByName = new Map<string, Path>();
  return apps.flatMap((app, i) => {
    const name = valueAt(app, ['name']);
    if (typeof name !== 'string') return [];
    const path = ['apps', String(i), 'name'];
    const first = firstByName.get(name);
    if (!first) {
      firstByName.set(name, path);
      return [];
    }
    return [source.problem(path, `app ${JSON.stringify(name)} is already configured at line ${source.line(first)}`)];
  });
}

/** Each child app that listens where one before it does: only one of them could. */
export function duplicatePorts(apps: readonly unknown[], { source, originOf }: Origins): ConfigProblem[] {
  const firstByAddress = new Map<string, Path>();
  return apps.flatMap((app, i) => {
    const address = valueAt(app, ['supervisor', 'child', 'listen']);
    if (typeof address !== 'string') return [];
    const path = originOf(['apps', String(i), 'supervisor', 'child', 'listen']);
    const first = firstByAddress.get(address);
    if (!first) {
      firstByAddress.set(address, path);
      return [];
    }
    return [source.problem(path, `${address} is the port of another app already, at line ${source.line(first)}`)];
  });
}

/** What may be written of a supervisor that names processes of one app alone, and what a person calls it. */
const SOURCES: readonly [path: Path, what: string][] = [
  [['pm2'], 'the name in PM2'],
  [['docker'], 'the container'],
  [['external', 'pid_file'], 'the pid file'],
  [['external', 'port'], 'the port'],
  [['external', 'match'], 'the command line'],
];

/** Each app that is found in the very same way as one before it: every process of it would be two apps'. */
export function duplicateSources(apps: readonly unknown[], { source, originOf, isDefective }: Origins): ConfigProblem[] {
  const first = new Map<string, { name: unknown; path: Path }>();
  return apps.flatMap((app, i) =>
    SOURCES.flatMap(([within, what]) => {
      const path = ['apps', String(i), 'supervisor', ...within];
      const value = valueAt(app, ['supervisor', ...within]);
      if (value === undefined || value === null || isDefective(path)) return [];
      const key = JSON.stringify([within, sameThing(within, value)]);
      const origin = originOf(path);
      const known = first.get(key);
      const name = valueAt(app, ['name']);
      if (!known) {
        first.set(key, { name, path: origin });
        return [];
      }
      const written = typeof value === 'object' ? 'this' : JSON.stringify(value);
      const place = `at line ${source.line(known.path)}`;
      const message = `${written} is ${what} of app ${JSON.stringify(known.name)} already, ${place}; app ${JSON.stringify(name)} needs its own`;
      return [source.problem(origin, message)];
    }),
  );
}

/** Two ways to write one thing. */
function sameThing([, key]: Path, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return key === 'pid_file' ? value.split(/\/+/).filter((step) => step !== '.').join('/') : value;
}

/** Each app whose systemd unit is another one's already, be it as an instance of its template. */
export function duplicateUnits(apps: readonly unknown[], { source, originOf }: Origins): ConfigProblem[] {
  const before: { unit: string; user: boolean; path: Path; app: unknown }[] = [];
  return apps.flatMap((app, i) => {
    const systemd = valueAt(app, ['supervisor', 'systemd']);
    const written = typeof systemd === 'string' ? systemd : valueAt(systemd, ['unit']);
    if (typeof written !== 'string') return [];
    const unit = written.replace(/\.service$/, '');
    const user = valueAt(systemd, ['user']) === true;
    const path = originOf(['apps', String(i), 'supervisor', 'systemd']);
    const first = before.find((other) => other.user === user && haveCommon(other.unit, unit));
    if (!first) {
      before.push({ unit, user, path, app: valueAt(app, ['name']) });
      return [];
    }
    const whose = `app ${JSON.stringify(first.app)}, line ${source.line(first.path)}`;
    const mine = JSON.stringify(valueAt(app, ['name']));
    const theirs = first.unit === unit ? 'it' : `${first.unit}.service`;
    return [source.problem(path, `app ${mine} may not have ${unit}.service: ${whose}, has ${theirs} already`)];
  });
}

/** Whether a unit can belong to both; a star stands for any instance. */
function haveCommon(one: string, other: string): boolean {
  const [template, instance] = one.split('@');
  const [theirTemplate, theirInstance] = other.split('@');
  return template === theirTemplate && (instance === theirInstance || [instance, theirInstance].includes('*'));
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === 'object' && value ? (value as Record<string, unknown>)[step] : undefined),
    root,
  );
}
