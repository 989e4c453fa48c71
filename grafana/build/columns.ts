/** Columns of the tables of workers, a row each. Values are 0 to 1 for shares, bytes, or seconds. */
import { EACH_WORKER, shareOf } from './dashboard.js';
import type { Column } from './panels.js';

const absolute = (...steps: [color: string, value: number | null][]): object => ({
  mode: 'absolute',
  steps: steps.map(([color, value]) => ({ color, value })),
});

export const state = (selector: string): Column => ({
  title: 'State',
  expr: `max ${EACH_WORKER} (heapwarden_process_up{${selector}})`,
  properties: {
    mappings: [{ type: 'value', options: { 0: { text: 'down', color: 'red', index: 0 }, 1: { text: 'up', color: 'green', index: 1 } } }],
    'custom.cellOptions': { type: 'color-text' },
  },
});

export const share = (selector: string): Column => ({
  title: 'Of the limit',
  expr: `max ${EACH_WORKER} (${shareOf(selector)})`,
  properties: {
    unit: 'percentunit',
    min: 0,
    max: 1,
    'custom.cellOptions': { type: 'gauge', mode: 'gradient' },
    thresholds: absolute(['green', null], ['orange', 0.8], ['red', 1]),
  },
});

export const memory = (selector: string): Column => ({
  title: 'Memory',
  expr: `max ${EACH_WORKER} (heapwarden_process_resident_memory_bytes{${selector}})`,
  properties: { unit: 'decbytes' },
});

export const growth = (selector: string): Column => ({
  title: 'Leaks',
  expr: `sum ${EACH_WORKER} (heapwarden_leak_rate_bytes_per_second{${selector}}) > 0`,
  properties: { unit: 'Bps' },
});

export const forecast = (selector: string): Column => ({
  title: 'Reaches the limit in',
  expr: `min ${EACH_WORKER} (heapwarden_forecast_seconds{${selector}})`,
  properties: {
    unit: 's',
    'custom.cellOptions': { type: 'color-text' },
    thresholds: absolute(['red', null], ['orange', 3600], ['text', 86_400]),
  },
});

export const started = (selector: string): Column => ({
  title: 'Started',
  expr: `max ${EACH_WORKER} (heapwarden_process_start_time_seconds{${selector}}) * 1000`,
  properties: { unit: 'dateTimeFromNow' },
});

export const lastRestart = (selector: string): Column => ({
  title: 'Last restart',
  expr: `max ${EACH_WORKER} (heapwarden_restart_last_timestamp_seconds{${selector}}) * 1000`,
  properties: { unit: 'dateTimeFromNow' },
});

export const gaveBack = (selector: string): Column => ({
  title: 'It gave back',
  expr: `max ${EACH_WORKER} (heapwarden_restart_reclaimed_bytes{${selector}})`,
  properties: { unit: 'decbytes' },
});

/** What names the process. */
export const info = (selector: string): Column => ({
  title: 'Process',
  expr: `max by (job, instance, app, worker, pid, node_version, supervisor) (heapwarden_process_info{${selector}})`,
  properties: null,
});
