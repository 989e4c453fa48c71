import { hidden } from './secrets.cjs';
import type { Threads } from './threads.cjs';

type Fields = Record<string, unknown>;

/**
 * What is taken of Node's diagnostic report (https://nodejs.org/api/report.html). Not its environmentVariables, nor the
 * machine's network interfaces; of a newer Node's sections none until it is known what they hold.
 */
const SECTIONS = [
  'header',
  'javascriptStack',
  'nativeStack',
  'javascriptHeap',
  'resourceUsage',
  'uvthreadResourceUsage',
  'libuv',
  'userLimits',
  'sharedObjects',
] as const;

/** Throws where Node would ask the network while it makes one, or wait for worker threads. */
export function diagnosticReport(threads: Pick<Threads, 'whyNotAsked'>): Fields {
  const { report } = process;
  // Without it, the report looks up the name of every socket's other end, and holds the loop until DNS has answered.
  if (!report || !('excludeNetwork' in report)) {
    throw new Error(`it takes Node.js 20.13 or newer, and this is ${process.version}`);
  }
  const why = threads.whyNotAsked();
  if (why !== null) throw new Error(why);
  const switches = report as { excludeNetwork: boolean };
  const was = switches.excludeNetwork;
  switches.excludeNetwork = true;
  try {
    return withoutSecrets(report.getReport() as unknown as Fields);
  } finally {
    switches.excludeNetwork = was;
  }
}

/** Pure. The command line stays, without the values that look secret. */
export function withoutSecrets(report: Fields): Fields {
  const kept = Object.fromEntries(SECTIONS.flatMap((name) => (name in report ? [[name, report[name]]] : [])));
  const { networkInterfaces: _, ...header } = (report['header'] ?? {}) as Fields;
  const commandLine = header['commandLine'];
  const workers = Array.isArray(report['workers']) ? report['workers'].map((worker) => withoutSecrets(worker as Fields)) : [];
  return {
    ...kept,
    header: { ...header, ...(Array.isArray(commandLine) ? { commandLine: hidden(commandLine.map(String)) } : {}) },
    workers,
  };
}
