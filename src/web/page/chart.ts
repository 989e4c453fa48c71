import uPlot from './uplot.js';
import type { AppHistory, Range, WorkerHistory } from '../../publish/day.js';
import type { AppStatus } from '../../publish/status.js';
import { formatBytes } from '../../units.js';

type Values = (number | null)[];

const HEIGHT = 130;
const LEVELS = ['warning', 'critical', 'restart'] as const;

/** The worker's memory over time: resident, heap and what of it lives; its limits as lines, its restarts as marks. */
export class Chart {
  readonly #plot: uPlot;
  readonly #host: HTMLElement;
  readonly #resized: ResizeObserver;
  #times: number[] = [];
  #columns: [Values, Values, Values] = [[], [], []];
  #limits: AppStatus['limits'];
  #restarts: readonly number[] = [];
  #spanSeconds = 3600;
  readonly #scheme = matchMedia('(prefers-color-scheme: dark)');
  readonly #repaint = (): void => this.#plot.redraw(false, true);

  constructor(host: HTMLElement, limits: AppStatus['limits']) {
    this.#host = host;
    this.#limits = limits;
    const color = (name: string): string => getComputedStyle(host).getPropertyValue(`--${name}`).trim();
    const line = (label: string, name: string, fill = false): uPlot.Series => ({
      label,
      stroke: () => color(name),
      width: 1.5,
      ...(fill ? { fill: () => color(`${name}-fill`) } : {}),
      points: { show: false },
    });
    const axis: uPlot.Axis = { stroke: () => color('soft'), grid: { stroke: () => color('grid'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
    this.#plot = new uPlot(
      {
        width: Math.max(100, host.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_plot, _min, max) => [0, Math.max(max || 0, this.#top()) * 1.08 || 1] } },
        axes: [{ ...axis, size: 24 }, { ...axis, size: 58, values: (_plot, ticks) => ticks.map((tick) => formatBytes(tick)) }],
        series: [{}, line('memory', 'memory', true), line('heap', 'heap'), line('live heap', 'live')],
        hooks: { draw: [(plot) => this.#drawMarks(plot, color)] },
      },
      [[], [], [], []],
      host,
    );
    this.#resized = new ResizeObserver(() => this.#plot.setSize({ width: Math.max(100, host.clientWidth), height: HEIGHT }));
    this.#resized.observe(host);
    this.#scheme.addEventListener('change', this.#repaint);
  }

  /** The past. */
  load({ start_seconds, step_seconds }: AppHistory, worker: WorkerHistory | undefined, range: Range): void {
    this.#spanSeconds = range === '1h' ? 3600 : 86_400;
    const length = worker?.resident_memory_bytes.length ?? 0;
    this.#times = Array.from({ length }, (_, i) => start_seconds + i * step_seconds);
    this.#columns = worker ? [worker.resident_memory_bytes, worker.heap_used_bytes, worker.heap_live_bytes] : [[], [], []];
    this.#draw();
  }

  /** What has just been measured. */
  push(atSeconds: number, values: readonly [number | null, number | null, number | null], limits: AppStatus['limits']): void {
    this.#limits = limits;
    if (atSeconds <= (this.#times.at(-1) ?? -Infinity)) return;
    this.#times.push(atSeconds);
    values.forEach((value, i) => this.#columns[i]!.push(value));
    const since = atSeconds - this.#spanSeconds;
    while (this.#times.length > 0 && this.#times[0]! < since) {
      this.#times.shift();
      for (const column of this.#columns) column.shift();
    }
    this.#draw();
  }

  mark(restarts: readonly number[]): void {
    this.#restarts = restarts;
    this.#plot.redraw(false);
  }

  close(): void {
    this.#resized.disconnect();
    this.#scheme.removeEventListener('change', this.#repaint);
    this.#plot.destroy();
    this.#host.replaceChildren();
  }

  #draw(): void {
    this.#plot.setData([this.#times, ...this.#columns]);
  }

  /** The limits are always in sight, unless they are far above what is there. */
  #top(): number {
    const most = this.#columns[0].reduce<number>((top, value) => Math.max(top, value ?? 0), 0);
    const near = LEVELS.map((level) => this.#limits.rss?.[level] ?? 0).filter((limit) => limit < 4 * most);
    return Math.max(0, ...near);
  }

  #drawMarks(plot: uPlot, color: (name: string) => string): void {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const level of LEVELS) {
      const limit = this.#limits.rss?.[level];
      const y = limit === undefined ? NaN : plot.valToPos(limit, 'y', true);
      if (!(y >= bbox.top)) continue;
      line(ctx, color(level === 'restart' ? 'critical' : level === 'critical' ? 'orange' : 'warning'), [bbox.left, y], [bbox.left + bbox.width, y]);
    }
    ctx.setLineDash([]);
    for (const at of this.#restarts) {
      const x = plot.valToPos(at, 'x', true);
      if (x >= bbox.left && x <= bbox.left + bbox.width) line(ctx, color('notice'), [x, bbox.top], [x, bbox.top + bbox.height]);
    }
    ctx.restore();
  }
}

function line(ctx: CanvasRenderingContext2D, color: string, from: [number, number], to: [number, number]): void {
  ctx.strokeStyle = color;
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
}
