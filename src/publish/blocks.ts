/** Pure: what stops the automatic restarts of a worker for longer than a cooldown does. */
import type { History } from '../act/history.js';
import type { AppConfig } from '../config/schema.js';
import { MOST_FRUITLESS, isInWindow, isPaused } from '../decide/gates.js';

export const BLOCKS = ['paused', 'outside_window', 'ineffective'] as const;
export type Block = (typeof BLOCKS)[number];

/** Tells it of any worker at this moment; what holds for a whole app is looked up once. */
export class Blocks {
  readonly #history: History;
  readonly #nowMs: number;
  readonly #ofApps = new Map<AppConfig, readonly Block[]>();

  constructor(history: History, nowMs: number) {
    this.#history = history;
    this.#nowMs = nowMs;
  }

  of(app: AppConfig, worker: string): readonly Block[] {
    const ofApp = this.#ofApps.get(app) ?? this.#find(app);
    const isIneffective = this.#history.fruitless(app.name, worker).length >= MOST_FRUITLESS;
    return isIneffective ? [...ofApp, 'ineffective'] : ofApp;
  }

  #find(app: AppConfig): readonly Block[] {
    const blocks: Block[] = [];
    if (isPaused(this.#history.stateOf(app.name).pause, this.#nowMs)) blocks.push('paused');
    if (!isInWindow(app, this.#nowMs)) blocks.push('outside_window');
    this.#ofApps.set(app, blocks);
    return blocks;
  }
}
