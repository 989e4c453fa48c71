/** heapwarden limits its own heap, as V8 alone can: by a flag that is only heeded before the first line runs. */
import { accessSync, constants, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { getHeapStatistics } from 'node:v8';

/** Several times what 1,000 workers take. V8's own default is a quarter to a half of the machine, up to 4 GB. */
export const OLD_SPACE_MIB = 256;
/** Those that run on; the others are over before they could grow. */
const LASTING = ['serve', 'relay'];
/** What says otherwise, on Node's command line or in NODE_OPTIONS; V8 takes _ for -. */
const SAID = /(?:^|\s)--?max[-_](?:old[-_]space|heap)[-_]size/;

/** process.execve: Node 22.15, 23.11 and newer, but not Windows. */
type Execve = (file: string, args: readonly string[]) => never;

/** All that the rule depends on. */
export interface Start {
  /** heapwarden's own arguments. */
  args: readonly string[];
  /** Node's. */
  execArgv: readonly string[];
  nodeOptions: string;
  /** Bytes. */
  heapLimit: number;
  /** False where another program, as the demo's, has imported heapwarden: that one would be started over. */
  isProgram: boolean;
  /** A channel to whoever has started it, as PM2's: it would be lost. */
  hasChannel: boolean;
}

/** Pure. The flag to start with anew, or null where this start is right as it is. */
export function flagFor({ args, execArgv, nodeOptions, heapLimit, isProgram, hasChannel }: Start): string | null {
  const isAsked = LASTING.includes(args[0] ?? '');
  const isSaid = [...execArgv, nodeOptions].some((text) => SAID.test(text));
  const isSmall = heapLimit <= OLD_SPACE_MIB * 2 ** 20;
  return isAsked && !isSaid && !isSmall && isProgram && !hasChannel ? `--max-old-space-size=${OLD_SPACE_MIB}` : null;
}

/**
 * Starts this very process over with the limit, as the same pid, where that is needed and can be done: it then never
 * returns. V8 does not heed the flag later (v8.setFlagsFromString changes nothing, Node 20 to 26), and a second process
 * would take as much again as the first. Where Node cannot, the limit has to be given to Node: README. `program`: the
 * URL of the file that is heapwarden's.
 */
export function limitOwnHeap(args: readonly string[], program: string): void {
  const execve = Reflect.get(process, 'execve') as Execve | undefined;
  const { execArgv, execPath, env, channel, argv } = process;
  const flag = flagFor({
    args,
    execArgv,
    nodeOptions: env['NODE_OPTIONS'] ?? '',
    heapLimit: getHeapStatistics().heap_size_limit,
    isProgram: isSameFile(argv[1], fileURLToPath(program)),
    hasChannel: channel !== undefined && channel !== null,
  });
  if (!execve || flag === null || process.platform === 'win32') return;
  try {
    accessSync(execPath, constants.X_OK); // Node 24 aborts where it cannot
    execve.call(process, execPath, [execPath, ...execArgv, flag, ...argv.slice(1)]);
  } catch {
    // Then without: it serves as well.
  }
}

/** npm's bin folder holds links. */
function isSameFile(path: string | undefined, other: string): boolean {
  try {
    return path !== undefined && realpathSync(path) === realpathSync(other);
  } catch {
    return false;
  }
}
