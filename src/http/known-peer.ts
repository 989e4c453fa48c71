/** Linux: who is at the other end of a connection, by proc(5). */
import { once } from 'node:events';
import { BlockList, connect, isIPv6, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HeapwardenError } from '../errors.js';
import { tcpSockets, type Endpoint, type TcpSocket } from '../observe/tcp-table.js';

const POLL_MS = 5;
/** A connection of which this side alone knows: its port is another network namespace's, or the other side makes it wait. */
const ONE_SIDED_MS = 2000;

/**
 * A connection for plain HTTP, on which nothing has been sent: to another machine, or on this one to a program of one of
 * these users. That is asked of the connection, not of the port, which may change hands at any moment. Throws
 * HeapwardenError REQUEST_FAILED where it is another user's, or that is not to be known; Node's errors; an AbortError.
 */
export async function connectToKnown(url: URL, uids: readonly number[], signal?: AbortSignal): Promise<Socket> {
  const socket = connect({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 80),
    ...(signal && { signal }),
  });
  socket.on('error', () => {}); // one that breaks meanwhile is noticed below
  try {
    await once(socket, 'connect');
    if (isOnThisMachine(socket)) await assertKnown(socket, url, uids, signal);
    if (socket.destroyed) throw socket.errored ?? new Error('the connection was closed');
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** To reach an address of its own, the kernel uses the same one at this end; for all that is 127.0.0.0/8, 127.0.0.1. */
function isOnThisMachine({ remoteAddress = '', localAddress }: Socket): boolean {
  return remoteAddress === localAddress || isIn(LOOPBACK, remoteAddress.replace(ZONE, ''));
}

async function assertKnown(socket: Socket, url: URL, uids: readonly number[], signal: AbortSignal | undefined): Promise<void> {
  const deadline = performance.now() + ONE_SIDED_MS;
  while (!socket.destroyed) {
    const other = (await tcpSockets('self', 'established')).find((one) => isOtherEnd(one, socket));
    // Until somebody has accepted it, it is nobody's, and older kernels call that 0, which is root.
    if (other && other.inode !== '0') {
      if (uids.includes(other.uid)) return;
      throw notSent(`what listens at ${url.origin} is a program of user ${other.uid}, who may not read that file`);
    }
    if (!other && performance.now() > deadline) throw notSent(`whose program listens at ${url.origin} is not to be known`);
    await sleep(POLL_MS, undefined, signal && { signal });
  }
}

function notSent(why: string): HeapwardenError {
  const what = `the token of the config was not sent: ${why}. ss -ltnp may tell who it is; `;
  return new HeapwardenError('REQUEST_FAILED', `${what}if it is heapwarden, or its proxy, name the token with --token.file`);
}

function isOtherEnd({ local, remote }: TcpSocket, socket: Socket): boolean {
  const isAt = ({ address, port }: Endpoint, wanted = '', wantedPort?: number): boolean =>
    port === wantedPort && isIn(only(wanted.replace(ZONE, '')), address);
  return isAt(local, socket.remoteAddress, socket.remotePort) && isAt(remote, socket.localAddress, socket.localPort);
}

/** Of a link-local IPv6 address, as Node tells it: fe80::1%eth0. */
const ZONE = /%.*/;
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

function only(address: string): BlockList {
  const list = new BlockList();
  list.addAddress(address, familyOf(address));
  return list;
}

/** A BlockList takes ::ffff:127.0.0.1, which the end of a server on :: has, for 127.0.0.1, and knows IPv6 in all forms. */
const isIn = (list: BlockList, address: string): boolean => list.check(address, familyOf(address));
const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');
