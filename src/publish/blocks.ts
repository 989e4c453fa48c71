/** Pure: what stops the automatic restarts of a worker for longer than a cooldown does. */
import type { History } from '../act/history.js';
import type { AppConfig } from '../config/schema.js';
import { MOST_FRUITLESS, isInWindow, isPaused } from '../decide/gates.js';

export const BLOCKS = ['paused', 'outside_window', 'ineffective'] as const;
export type Block = (typeof BLOCKS)[number];

type OfApp = Pick<Record<Block, boolean>, 'paused' | 'outside_window'>;

/** Tells it of any worker at this moment; what holds for a whole app is looked up once. */
export class Blocks {
  readonly #history: History;
  readonly #nowMs: number;
  readonly #ofApps = new Map<AppConfig, OfApp>();

  constructor(history: History, nowMs: number) {
    this.#history = history;
    this.#nowMs = nowMs;
  }

  of(app: AppConfig, worker: string): Block[] {
    const ofApp = this.#ofApps.get(app) ?? this.#find(app);
    const ineffective = this.#history.fruitless(app.name, worker).length >= MOST_FRUITLESS;
    const holds: Record<Block, boolean> = { paused: ofApp.paused, outside_window: ofApp.outside_window, ineffective };
    const blocks: Block[] = [];
    for (const block of BLOCKS) if (holds[block]) blocks.push(block);
    return blocks;
  }

  #find(app: AppConfig): OfApp {
    const paused = isPaused(this.#history.stateOf(app.name).pause, this.#nowMs);
    const found = { paused, outside_window: !isInWindow(app, this.#nowMs) };
    this.#ofApps.set(app, found);
    return found;
  }
}
