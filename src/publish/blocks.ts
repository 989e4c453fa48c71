/** Pure: what stops the automatic restarts of a worker for longer than a cooldown does. */
import type { History } from '../act/history.js';
import type { AppConfig } from '../config/schema.js';
import { MOST_FRUITLESS, isInWindow, isPaused } from '../decide/gates.js';

export const BLOCKS = ['paused', 'outside_window', 'ineffective'] as const;
export type Block = (typeof BLOCKS)[number];

/** What tells it of any worker at this moment; what holds for a whole app is looked up once. */
export function blocksAt(history: History, nowMs: number): (app: AppConfig, worker: string) => Block[] {
  const ofApps = new Map<AppConfig, Pick<Record<Block, boolean>, 'paused' | 'outside_window'>>();
  return (app, worker) => {
    const ofApp = ofApps.get(app) ?? {
      paused: isPaused(history.stateOf(app.name).pause, nowMs),
      outside_window: !isInWindow(app, nowMs),
    };
    ofApps.set(app, ofApp);
    const holds = { ...ofApp, ineffective: history.fruitless(app.name, worker).length >= MOST_FRUITLESS };
    return BLOCKS.filter((block) => holds[block]);
  };
}
