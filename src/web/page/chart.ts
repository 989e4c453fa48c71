import uPlot from './uplot.js';
import type { AppStatus } from '../../publish/app-shape.js';
import { formatBytes } from '../../units.js';
import type { Trace } from './trace.js';
import { clock } from './words.js';

const HEIGHT = 150;
const FONT = '11px system-ui, sans-serif';
/** Pixels between two limits whose names would else stand in each other. */
const NAME_HEIGHT = 11;
/** Highest first. */
const LEVELS = [['restart', 'critical'], ['critical', 'orange'], ['warning', 'warning']] as const;

/** The worker's memory over time: resident, heap and what of it lives; its limits as lines, its restarts as marks. */
export class Chart {
  readonly #plot: uPlot;
  readonly #host: HTMLElement;
  readonly #trace: Trace;
  readonly #resized: ResizeObserver;
  #limits: AppStatus['limits'];
  #restarts: readonly number[] = [];
  readonly #scheme = matchMedia('(prefers-color-scheme: dark)');
  readonly #repaint = (): void => this.#plot.redraw(false, true);

  constructor(host: HTMLElement, trace: Trace, limits: AppStatus['limits']) {
    this.#host = host;
    this.#trace = trace;
    this.#limits = limits;
    const color = (name: string): string => getComputedStyle(host).getPropertyValue(`--${name}`).trim();
    const line = (label: string, name: string, fill = false): uPlot.Series => ({
      label,
      stroke: () => color(name),
      width: 1.5,
      ...(fill ? { fill: () => color(`${name}-fill`) } : {}),
      points: { show: false },
    });
    const axis: uPlot.Axis = { stroke: () => color('soft'), grid: { stroke: () => color('grid'), width: 1 }, ticks: { show: false }, font: FONT };
    const clocks = (_plot: uPlot, ticks: number[], _axis: number, _space: number, step: number) => ticks.map((tick) => clock(tick, step));
    const sizes = (_plot: uPlot, ticks: number[]) => ticks.map((tick) => formatBytes(tick));
    const size = () => ({ width: Math.max(100, host.clientWidth), height: HEIGHT });
    this.#plot = new uPlot(
      {
        ...size(),
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 18, 0, 0],
        scales: {
          x: { range: () => trace.window },
          y: { range: (_plot, _min, max) => [0, Math.max(max || 0, this.#top()) * 1.08 || 1] },
        },
        axes: [{ ...axis, size: 24, space: 46, values: clocks }, { ...axis, size: 58, space: 24, values: sizes }],
        series: [{}, line('memory', 'memory', true), line('heap', 'heap'), line('live heap', 'live')],
        hooks: { draw: [(plot) => this.#drawMarks(plot, color)] },
      },
      [[], [], [], []],
      host,
    );
    this.#resized = new ResizeObserver(() => this.#plot.setSize(size()));
    this.#resized.observe(host);
    this.#scheme.addEventListener('change', this.#repaint);
    this.draw(limits);
  }

  /** What the trace holds now. */
  draw(limits: AppStatus['limits']): void {
    this.#limits = limits;
    this.#plot.setData([this.#trace.times, ...this.#trace.columns]);
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

  /** The limits are always in sight, unless they are far above what is there. */
  #top(): number {
    const most = this.#trace.columns[0].reduce<number>((top, value) => Math.max(top, value ?? 0), 0);
    const near = LEVELS.map(([level]) => this.#limits.rss?.[level] ?? 0).filter((limit) => limit < 4 * most);
    return Math.max(0, ...near);
  }

  #drawMarks(plot: uPlot, color: (name: string) => string): void {
    const { ctx, bbox } = plot;
    const right = bbox.left + bbox.width;
    const scale = devicePixelRatio;
    ctx.save();
    ctx.lineWidth = scale;
    for (const at of this.#restarts) {
      const x = plot.valToPos(at, 'x', true);
      if (x >= bbox.left && x <= right) line(ctx, color('notice'), [x, bbox.top], [x, bbox.top + bbox.height]);
    }
    ctx.setLineDash([5 * scale, 4 * scale]);
    ctx.font = FONT.replace('11', String(11 * scale));
    ctx.textBaseline = 'bottom';
    ctx.textAlign = 'left'; // uPlot leaves its own
    let above = -Infinity;
    for (const [level, name] of LEVELS) {
      const limit = this.#limits.rss?.[level];
      const y = limit === undefined ? NaN : plot.valToPos(limit, 'y', true);
      if (!(y >= bbox.top)) continue;
      line(ctx, color(name), [bbox.left, y], [right, y]);
      if (y - above < NAME_HEIGHT * scale) continue;
      above = y;
      ctx.fillStyle = color(name);
      ctx.fillText(level, bbox.left + 4 * scale, y);
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
