/** Linux: who listens where, by /proc. */
import { readdir, readlink } from 'node:fs/promises';
import { tcpSockets } from './tcp-table.js';

/** A TCP socket that waits for connections. */
export interface Listening {
  /** Of the socket: no other has it while this one is open. */
  inode: string;
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
  const sockets = await tcpSockets(pid, 'listening');
  return sockets.map(({ inode, local: { address, port } }) => ({ inode, host: LOOPBACK[address] ?? address, port }));
}

/** Of an unspecified address, the loopback one of its family. */
const LOOPBACK: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** Inodes of a process's sockets. */
export async function socketsOf(pid: number): Promise<Set<string>> {
  const folder = `/proc/${pid}/fd`;
  const fds = await readdir(folder).catch(() => []);
  const links = await Promise.all(fds.map((fd) => readlink(`${folder}/${fd}`).catch(() => '')));
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}
