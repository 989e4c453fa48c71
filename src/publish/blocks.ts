/** Pure: what stops the automatic restarts of a worker for longer than a cooldown does. */
import type { History } from '../act/history.js';
import type { AppConfig } from '../config/schema.js';
import { MOST_FRUITLESS, isInWindow, isPaused } from '../decide/gates.js';

export const BLOCKS = ['paused', 'outside_window', 'ineffective'] as const;
export type Block = (typeof BLOCKS)[number];

export function blocksOf(app: AppConfig, worker: string, history: History, nowMs: number): Block[] {
  const holds: Record<Block, boolean> = {
    paused: isPaused(history.stateOf(app.name).pause, nowMs),
    outside_window: !isInWindow(app, nowMs),
    ineffective: history.fruitless(app.name, worker).length >= MOST_FRUITLESS,
  };
  return BLOCKS.filter((block) => holds[block]);
}
