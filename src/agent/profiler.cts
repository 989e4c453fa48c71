import type { Session } from 'node:inspector';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/**
 * Bytes between two samples, on average. V8's own default is 32 KiB; at 512 KiB it costs an app that allocates without
 * pause up to a tenth of its throughput, and others next to nothing.
 */
const SAMPLING_INTERVAL = 512 * 1024;

/** Bytes of heap from which on the app would stand still for too long, about a second, only to know functions apart. */
const MOST_HEAP = 512 * 2 ** 20;
/** Node's second optimizing compiler, on by default from 22 on. */
const MAGLEV_INLINES = Number(process.versions.node.split('.')[0]) >= 22;

type Answer = { profile?: unknown };

/**
 * V8's sampling heap profiler: of what is allocated while it runs, a sample, with its stack, of what is still alive.
 * https://chromedevtools.github.io/devtools-protocol/v8/HeapProfiler/
 */
export class AllocationProfiler {
  #session: Session | null = null;
  #failure = 'it was not asked for before';

  /** Never throws. */
  start(): void {
    if (this.#session) return;
    let session: Session | undefined;
    try {
      // Not an import: a Node built without an inspector, or one that may not use it, throws.
      const inspector = require('node:inspector') as typeof import('node:inspector');
      session = new inspector.Session();
      session.connect();
      if (isTaken(session)) throw new Error('the app itself is profiling its heap');
      keepFunctionsApart(session);
      ask(session, 'HeapProfiler.startSampling', { samplingInterval: SAMPLING_INTERVAL });
      this.#session = session;
    } catch (error) {
      inline(true);
      session?.disconnect();
      this.#failure = error instanceof Error ? error.message : String(error);
    }
  }

  /** Never throws. */
  stop(): void {
    const session = this.#session;
    if (!session) return;
    this.#session = null;
    inline(true);
    try {
      ask(session, 'HeapProfiler.stopSampling');
      session.disconnect();
    } catch {
      // Disconnected, it samples no more.
    }
  }

  /** Stops, and answers with a SamplingHeapProfile. Throws where there is none. */
  take(): unknown {
    const session = this.#session;
    if (!session) throw new Error(this.#failure);
    this.#session = null;
    this.#failure = 'it was not asked for before';
    try {
      // V8 collects garbage first: of what is sampled, only what lives is told.
      const { profile } = ask(session, 'HeapProfiler.stopSampling');
      if (!profile) throw new Error('V8 gave none');
      return profile;
    } finally {
      inline(true);
      session.disconnect();
    }
  }
}

/** V8 has one such profiler: to start it twice does nothing, and to stop it would take it from whoever runs it. */
function isTaken(session: Session): boolean {
  try {
    ask(session, 'HeapProfiler.getSamplingProfile');
    return true;
  } catch {
    return false; // as it should be
  }
}

/**
 * V8's sampler knows a function that has been inlined only as the one that it is in, such as the handler of all
 * requests. So none is from here on, and the code in which some are is dropped once, as V8 does before it counts calls:
 * https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#method-startPreciseCoverage. V8 walks the heap for
 * it, some 1.6 ms of CPU for each MB, about what the GC at the end takes.
 */
function keepFunctionsApart(session: Session): void {
  inline(false);
  // It would end a count of the app's own.
  if (process.env['NODE_V8_COVERAGE'] !== undefined || getHeapStatistics().used_heap_size > MOST_HEAP) return;
  try {
    ask(session, 'Profiler.enable');
    ask(session, 'Profiler.startPreciseCoverage', { callCount: false, detailed: false });
    ask(session, 'Profiler.stopPreciseCoverage');
    ask(session, 'Profiler.disable');
  } catch {
    // Then functions that were inlined before count for those that they are in.
  }
}

/** V8 heeds it in what it compiles from then on. A Node that does not know a flag says so on stderr, and is not asked. */
function inline(on: boolean): void {
  setFlagsFromString(on ? '--turbo-inlining' : '--no-turbo-inlining');
  if (MAGLEV_INLINES) setFlagsFromString(on ? '--maglev-inlining' : '--no-maglev-inlining');
}

/** A session inside the process answers before `post` returns. */
function ask(session: Session, method: string, params: object = {}): Answer {
  let failure: Error | null = new Error(`${method} was not answered`);
  let answer: Answer = {};
  session.post(method, params, (error: Error | null, result?: object) => {
    failure = error;
    answer = result ?? {};
  });
  if (failure) throw failure;
  return answer;
}
