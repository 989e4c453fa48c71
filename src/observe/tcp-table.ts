/**
 * Linux: /proc/net/tcp and tcp6. Format: https://docs.kernel.org/networking/proc_net_tcp.html (`sl local_address
 * rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`).
 */
import { readFile } from 'node:fs/promises';

export interface Endpoint {
  /** IPv6 in eight groups, but for `::`. */
  address: string;
  port: number;
}

export interface TcpSocket {
  local: Endpoint;
  remote: Endpoint;
  /** As the reader's user namespace numbers it. */
  uid: number;
  /** No other socket has it while this one is open; 0 before a connection has been accepted. */
  inode: string;
}

/** include/net/tcp_states.h */
const STATES = { established: '01', listening: '0A' } as const;
type State = keyof typeof STATES;

/** Of everybody in the network namespace of a process; empty where it has gone or may not be looked into. */
export async function tcpSockets(pid: number | 'self', state: State): Promise<TcpSocket[]> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'latin1').catch(() => '')),
  );
  return tables.flatMap((table) => parseTcpTable(table, state));
}

export function parseTcpTable(table: string, state: State): TcpSocket[] {
  const endpoint = '([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})';
  const line = new RegExp(`^\\s*\\d+: ${endpoint} ${endpoint} ${STATES[state]} \\S+ \\S+ \\S+ +(\\d+) +\\d+ (\\d+) `, 'gm');
  return [...table.matchAll(line)].map(([, local, localPort, remote, remotePort, uid, inode]) => ({
    local: { address: addressOf(local!), port: parseInt(localPort!, 16) },
    remote: { address: addressOf(remote!), port: parseInt(remotePort!, 16) },
    uid: Number(uid),
    inode: inode!,
  }));
}

/** Printed as the machine's own 32-bit words, here little-endian ones. */
function addressOf(words: string): string {
  const bytes = Buffer.from(words, 'hex').swap32();
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.every((byte) => byte === 0)) return '::';
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':');
}
