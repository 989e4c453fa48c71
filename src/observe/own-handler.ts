/** Linux: it reads another process's memory through /proc. */
import { open, readFile, readlink, type FileHandle } from 'node:fs/promises';
import { findSymbol } from './elf.js';

/** Offsets in libuv's uv_signal_t on 64-bit Unix (uv.h, uv/unix.h; part of its stable ABI since 1.0). */
const SIGNUM = 104;
const LEFT = 112;
const RIGHT = 120;
const NODE_BYTES = 128;
/** Far more signal watchers than any program has; the tree is read while the program may change it. */
const MAX_NODES = 10_000;

/**
 * Whether a Node process has a listener of its own for a signal (`process.on('SIGUSR1')`), which /proc does not tell
 * from Node's own handler: by libuv's tree of signal watchers, in the process's memory. null where it cannot be read:
 * the executable is stripped or has libuv elsewhere, or the kernel forbids it (Yama's ptrace_scope).
 */
export async function hasOwnHandler(pid: number, signal: number): Promise<boolean | null> {
  const file = await open(`/proc/${pid}/exe`).catch(() => null);
  if (!file) return null;
  try {
    const tree = await findSymbol(file, 'uv__signal_tree', 'all');
    if (!tree) return null;
    const memory = await open(`/proc/${pid}/mem`);
    try {
      const root = tree.address + (tree.isRelative ? await loadAddress(pid) : 0);
      return await holds(memory, await readPointer(memory, root), signal);
    } finally {
      await memory.close();
    }
  } catch {
    return null;
  } finally {
    await file.close();
  }
}

/** Throws where the memory does not look like such a tree. */
async function holds(memory: FileHandle, root: number, signal: number): Promise<boolean> {
  const open = [root];
  for (let count = 0; open.length > 0; count++) {
    const address = open.pop()!;
    if (address === 0) continue;
    const node = await readMemory(memory, address, NODE_BYTES);
    const signum = node.readInt32LE(SIGNUM);
    if (signum < 1 || signum > 64 || count > MAX_NODES) throw new Error('no tree of signal watchers');
    if (signum === signal) return true;
    open.push(Number(node.readBigUInt64LE(LEFT)), Number(node.readBigUInt64LE(RIGHT)));
  }
  return false;
}

/** Where the executable was loaded: its first mapping. Format: proc_pid_maps(5). */
async function loadAddress(pid: number): Promise<number> {
  const [maps, exe] = await Promise.all([readFile(`/proc/${pid}/maps`, 'latin1'), readlink(`/proc/${pid}/exe`)]);
  const first = maps.split('\n').find((line) => / 00000000 /.test(line) && line.endsWith(` ${exe}`));
  if (!first) throw new Error('no mapping of the executable');
  return parseInt(first, 16);
}

async function readPointer(memory: FileHandle, address: number): Promise<number> {
  return Number((await readMemory(memory, address, 8)).readBigUInt64LE());
}

async function readMemory(memory: FileHandle, address: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await memory.read(buffer, 0, bytes, address);
  if (bytesRead < bytes) throw new Error('memory that cannot be read');
  return buffer;
}
