/** Linux: who listens where, by /proc. */
import { readFile, readdir, readlink } from 'node:fs/promises';

/** A TCP socket that waits for connections. */
export interface Listening {
  /** Of the socket: no other has it while this one is open. */
  inode: string;
  /** Of its maker, as the reader's user namespace numbers it. */
  uid: number;
  /** 0.0.0.0 is every IPv4 address, :: every one of IPv6 and, mostly, of IPv4. */
  address: string;
  /** Where to connect to reach it from this machine. */
  host: string;
  port: number;
}

/** All TCP sockets on which a process listens (Linux); empty where it has gone or may not be looked into. */
export async function listeningOf(pid: number): Promise<Listening[]> {
  const [own, all] = await Promise.all([socketsOf(pid), listeningBeside(pid)]);
  return all.filter(({ inode }) => own.has(inode));
}

/** The same of everybody in the network namespace of a process. */
export async function listeningBeside(pid: number): Promise<Listening[]> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'latin1').catch(() => '')),
  );
  return tables.flatMap(parseListening);
}

/**
 * The listening sockets (state 0A) of /proc/net/tcp or tcp6. Format: https://docs.kernel.org/networking/proc_net_tcp.html
 * (`sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`); an address is printed
 * as the machine's own 32-bit words, here little-endian ones.
 */
export function parseListening(table: string): Listening[] {
  const line = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:0000 0A \S+ \S+ \S+ +(\d+) +\d+ (\d+) /gm;
  return [...table.matchAll(line)].map(([, words, port, uid, inode]) => {
    const address = addressOf(Buffer.from(words!, 'hex'));
    return { inode: inode!, uid: Number(uid), address, host: reachedAt(address), port: parseInt(port!, 16) };
  });
}

/** What the kernel connects to: for an unspecified address, the loopback one of its family. */
export const reachedAt = (address: string): string => LOOPBACK[address] ?? address;
const LOOPBACK: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

function addressOf(words: Buffer): string {
  const bytes = words.swap32();
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.every((byte) => byte === 0)) return '::';
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':');
}

/** Inodes of a process's sockets. */
export async function socketsOf(pid: number): Promise<Set<string>> {
  const folder = `/proc/${pid}/fd`;
  const fds = await readdir(folder).catch(() => []);
  const links = await Promise.all(fds.map((fd) => readlink(`${folder}/${fd}`).catch(() => '')));
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}
