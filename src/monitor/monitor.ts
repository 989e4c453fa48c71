import type { Clock } from '../clock.js';
import type { AppHistory } from '../publish/day.js';
import type { Look } from './cells.js';
import type { Feed } from './feed.js';
import { render } from './render.js';
import { Screen, type Terminal } from './screen.js';
import { carriedOn, rowsOf, selectedIndex, type View } from './view.js';

/** Milliseconds between two paintings for the sake of the time alone. */
const TICK_MS = 1000;
/** Milliseconds between two looks at the histories: a slice of the hour, and for many workers longer. */
const HISTORY_MS = 10_000;
const HISTORY_MS_PER_WORKER = 500;
/** Milliseconds; an advice is made from minutes. */
const ADVICE_MS = 30_000;
const PAGE = 10;

export interface MonitorParts {
  feed: Feed;
  clock: Clock;
  look: Look;
  terminal: Terminal;
}

/** The live view, until the person quits. Resolves to the exit status, with the terminal as it was. */
export async function monitor({ feed, clock, look, terminal }: MonitorParts): Promise<number> {
  const over = new AbortController();
  let view = emptyView(feed.url, clock.now());
  let end: (status: number) => void = () => {};
  const ended = new Promise<number>((resolve) => (end = resolve));

  const screen = new Screen(terminal, {
    key: (name) => {
      if (name === 'q' || name === 'quit') end(0);
      else if (view.help) show({ help: false });
      else if (name === '?') show({ help: true });
      else if (name === 't') {
        show({ range: view.range === '1h' ? '24h' : '1h', histories: new Map() });
        void readHistories();
      } else select(name);
    },
    resized: () => show({}),
    ended: (status) => end(status),
  });

  function show(change: Partial<View>): void {
    view = { ...view, ...change, nowMs: clock.now() };
    screen.paint(render(view, screen.size, look));
  }

  function select(name: string): void {
    const rows = rowsOf(view);
    const index = selectedIndex(rows, view);
    const moves: Readonly<Record<string, number>> = {
      up: index - 1, k: index - 1, down: index + 1, j: index + 1, pageup: index - PAGE, pagedown: index + PAGE,
      g: 0, home: 0, G: rows.length - 1, end: rows.length - 1,
    };
    const move = moves[name];
    const row = move === undefined ? undefined : rows[Math.min(rows.length - 1, Math.max(0, move))];
    if (row) show({ selected: row.key });
  }

  async function readHistories(): Promise<void> {
    const { range } = view;
    for (const { app } of view.apps ?? []) {
      const history = await feed.history(app, range, over.signal);
      // A key may have been pressed meanwhile.
      if (over.signal.aborted || view.range !== range) return;
      if (history) show({ histories: new Map(view.histories).set(app, history) });
    }
  }

  async function repeat(what: () => Promise<void>, everyMs: () => number): Promise<void> {
    while (!over.signal.aborted) {
      if (view.apps && view.lost === null) await what();
      await clock.sleep(view.apps ? everyMs() : TICK_MS, over.signal);
    }
  }

  screen.open();
  const ticks = setInterval(() => show({}), TICK_MS);
  try {
    show({});
    const following = feed.follow({
      status: (status) => show({ status }),
      apps: (apps) => {
        const nowMs = view.status ? view.status.now_seconds * 1000 : clock.now();
        const histories = new Map<string, AppHistory>();
        for (const app of apps) {
          const history = view.histories.get(app.app);
          if (history) histories.set(app.app, carriedOn(history, app, nowMs));
        }
        show({ apps, histories });
      },
      incidents: (incidents) => show({ incidents }),
      heard: () => {
        const wasLost = view.lost !== null;
        show({ heardAtMs: clock.now(), lost: null });
        // What was missed is filled from the warden's own memory.
        if (wasLost) void readHistories();
      },
      lost: (lost, remedy) => show({ lost, remedy }),
    }, over.signal);
    const workers = (): number => rowsOf(view).length;
    const reading = [
      repeat(readHistories, () => Math.max(HISTORY_MS, HISTORY_MS_PER_WORKER * workers())),
      repeat(async () => show({ advice: await feed.advice(over.signal) }), () => ADVICE_MS),
    ];
    // What fails here is a fault of ours, and ends it.
    const status = await Promise.race([ended, Promise.all([following, ...reading]).then(() => ended)]);
    over.abort();
    await Promise.allSettled([following, ...reading]);
    return status;
  } finally {
    over.abort();
    clearInterval(ticks);
    screen.close();
  }
}

export function emptyView(url: string, nowMs: number): View {
  return { url, nowMs, heardAtMs: null, lost: null, advice: null, histories: new Map(), range: '1h', selected: null, help: false };
}
