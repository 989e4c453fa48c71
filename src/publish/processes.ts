import type { AppConfig } from '../config/schema.js';
import { measure } from '../decide/measure.js';
import type { WorkerState } from '../observe/tracker.js';
import { counter, gauge, labelsOf, perWorker, samples, seconds, type Family, type Sample, type View } from './family.js';

export function processFamilies({ workers, config }: View): Family[] {
  const memoryOf = new Map(config.apps.map((app) => [app.name, app.memory]));
  return [
    gauge(
      'heapwarden_process_up',
      '1 where a process runs in the slot, 0 where none does.',
      perWorker(workers, up),
    ),
    gauge(
      'heapwarden_process_resident_memory_bytes',
      "Resident memory of the process and its children, or of the process alone where the app's `memory` is `process`.",
      perWorker(workers, resident, memoryOf),
    ),
    counter(
      'heapwarden_process_cpu_seconds_total',
      'User and system CPU time of the process and its children since the process started.',
      perWorker(workers, cpuSeconds),
    ),
    gauge(
      'heapwarden_process_start_time_seconds',
      'Start time of the process, in seconds since the Unix epoch.',
      perWorker(workers, startTime),
    ),
    gauge(
      'heapwarden_process_open_fds',
      'Open file descriptors of the process.',
      perWorker(workers, openFds),
    ),
    gauge(
      'heapwarden_process_threads',
      'Threads of the process.',
      perWorker(workers, threads),
    ),
    gauge(
      'heapwarden_process_info',
      'The process in the slot: its pid, its Node.js version where an agent tells it, and who supervises it.',
      samples(infos, workers),
    ),
  ];
}

const up = ({ reading }: WorkerState) => (reading ? 1 : 0);

const resident = (worker: WorkerState, memoryOf: ReadonlyMap<string, AppConfig['memory']>) =>
  measure(worker, 'rss', memoryOf.get(worker.app) ?? 'tree');

const cpuSeconds = ({ reading, cpu }: WorkerState) => reading && cpu.seconds;

const startTime = ({ reading }: WorkerState) => reading && seconds(reading.startedAtMs);

const openFds = ({ reading }: WorkerState) => reading?.openFds;

const threads = ({ reading }: WorkerState) => reading?.threads;

function* infos(workers: readonly WorkerState[]): Generator<Sample> {
  for (const worker of workers) {
    const { reading, agent, supervisor } = worker;
    if (!reading) continue;
    const info = { pid: String(reading.root.pid), node_version: agent?.node ?? '', supervisor };
    yield { labels: labelsOf(worker), more: info, value: 1 };
  }
}
