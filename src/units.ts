const BYTE_UNITS: Record<string, number> = {
  '': 1, B: 1,
  kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12,
  KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40,
  // PM2's max_memory_restart: https://pm2.keymetrics.io/docs/usage/memory-limit/ (bare letters are binary there)
  K: 2 ** 10, M: 2 ** 20, G: 2 ** 30,
};

/** Bytes of a size such as `500MB`, `1.5GiB`, `512M` or a plain count of bytes; null where it is none. */
export function parseBytes(text: string | number): number | null {
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(String(text));
  const unit = match && BYTE_UNITS[match[2]!];
  if (!match || unit === undefined || unit === null) return null;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Bytes for people, in decimal units, to three digits: `183 MB`, `1.21 GB`, `1 GB`. */
export function formatBytes(bytes: number): string {
  const sign = bytes < 0 ? '-' : '';
  let rest = Math.abs(bytes);
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (rest < 999.5 || unit === 'GB') {
      const digits = unit === 'B' || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2;
      return `${sign}${Number(rest.toFixed(digits))} ${unit}`;
    }
    rest /= 1000;
  }
  return `${bytes} B`;
}

const DURATION_UNITS = [
  ['y', 31_536_000_000], ['w', 604_800_000], ['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000], ['ms', 1],
] as const;
const DURATION = new RegExp(`^(?=.)${DURATION_UNITS.map(([unit]) => `(?:(\\d+)${unit})?`).join('')}$`);

/**
 * Milliseconds of a Prometheus duration (`1h30m`, `250ms`, `0`); null where it is none.
 * Format: https://prometheus.io/docs/prometheus/latest/configuration/configuration/ (`<duration>`).
 */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0;
  const match = DURATION.exec(text);
  if (!match) return null;
  const ms = DURATION_UNITS.reduce((sum, [, unit], i) => sum + Number(match[i + 1] ?? 0) * unit, 0);
  return Number.isSafeInteger(ms) ? ms : null;
}

/** A duration as Prometheus writes it, exact to the millisecond: `1h30m`, `250ms`, `0s`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  let rest = Math.round(ms);
  let text = '';
  for (const [unit, size] of DURATION_UNITS) {
    if (unit === 'y' || unit === 'w') continue;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text || '0s';
}

/** Seconds for people, from milliseconds: `0.8 s`, `12 s`, `3m20s`. */
export function formatElapsed(ms: number): string {
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 59_500) return `${Math.round(ms / 1000)} s`;
  return formatDuration(Math.round(ms / 1000) * 1000);
}

/** The ratio of a percentage such as `80%` (0.8); null where it is none. */
export function parsePercent(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (!match) return null;
  const ratio = Number(match[1]) / 100;
  return ratio <= 1 ? ratio : null;
}

/** At most `count` restarts in any window of `windowMs`. */
export interface Budget {
  count: number;
  windowMs: number;
}

/** A restart budget such as `5/1h`; null where it is none. */
export function parseBudget(text: string): Budget | null {
  const match = /^(\d+)\/(\w+)$/.exec(text);
  const windowMs = match && parseDuration(match[2]!);
  return match && windowMs ? { count: Number(match[1]), windowMs } : null;
}

/** As it is written in the config: `5/1h`. */
export function formatBudget({ count, windowMs }: Budget): string {
  return `${count}/${formatDuration(windowMs)}`;
}
