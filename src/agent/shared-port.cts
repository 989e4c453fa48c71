import { chmodSync, fstatSync } from 'node:fs';
import * as net from 'node:net';
import { quietly } from './quietly.cjs';

/**
 * HEAPWARDEN_LISTEN, as JSON: the TCP socket that heapwarden has bound and that this process has inherited. Whoever
 * inherits the variable alone finds another socket at `fd`, or none, and leaves the variable where it is.
 */
export interface SharedPortOrder {
  /** On which the app calls listen(); whatever host it names, the socket is the one at `fd`. */
  port: number;
  fd: number;
  /** Of the socket at `fd`. */
  inode: number;
  /** A path on which to make a Unix socket, once the app listens, where this process alone answers. */
  ready: string;
  /** A pipe: nothing is accepted on the shared socket before its end. Null: accept as soon as the app listens. */
  hold: number | null;
}

/** Node's default, which listen() takes where it is given none. */
const DEFAULT_BACKLOG = 511;

/** What cluster itself uses: undocumented, but exported by every Node from 18 to 26. */
interface TcpHandle {
  listen(backlog: number): number;
}
type OpenHandle = (address: null, port: null, family: null, fd: number) => TcpHandle | number;

/** The port that this process shares with those before and after it: the app's own listen() takes it, once. */
export class SharedPort {
  readonly #order: SharedPortOrder;
  readonly #listen = net.Server.prototype.listen;
  #taken = false;
  /** What to do when nothing is held back any more; null when that is so. */
  #held: (() => void)[] | null;

  /** Null where this process has inherited no such socket. */
  static inherit(env: NodeJS.ProcessEnv): SharedPort | null {
    const text = env['HEAPWARDEN_LISTEN'];
    if (text === undefined) return null;
    try {
      const order = JSON.parse(text) as SharedPortOrder;
      const socket = fstatSync(order.fd);
      if (!socket.isSocket() || socket.ino !== order.inode) return null;
      delete env['HEAPWARDEN_LISTEN']; // a child of this process has neither the socket nor the pipe
      return new SharedPort(order);
    } catch {
      return null; // EBADF, as in what npm runs
    }
  }

  private constructor(order: SharedPortOrder) {
    this.#order = order;
    this.#held = order.hold === null ? null : [];
    if (order.hold === null) return;
    // It ends by the warden's word, or with the warden.
    const pipe = new net.Socket({ fd: order.hold, readable: true, writable: false });
    pipe.unref();
    pipe.on('error', () => {}); // 'close' follows
    pipe.on('close', quietly(() => this.#release()));
    pipe.resume();
  }

  /** Arguments with which to call listen() instead; null where this call is no business of the shared port. */
  take(server: net.Server, args: readonly unknown[]): unknown[] | null {
    if (this.#taken || server.listening || !this.#isMeant(args[0])) return null;
    const handle = this.#open();
    if (!handle) return null;
    this.#taken = true; // closing the server closes the descriptor, so it serves once
    server.once('listening', quietly(() => this.#openDoor(server)));
    const options = (typeof args[0] === 'object' ? args[0] : {}) as { backlog?: number; signal?: AbortSignal };
    closeOnAbort(server, options.signal);
    const callback = args.at(-1);
    const backlog = [options.backlog, args[1], args[2]].find((value) => Number(value) > 0);
    return [handle, Number(backlog ?? DEFAULT_BACKLOG), ...(typeof callback === 'function' ? [callback] : [])];
  }

  /** Of listen(port), listen('port') and listen({ port }) with whatever host; and of listen({ fd }), as systemd's. */
  #isMeant(first: unknown): boolean {
    const options = typeof first === 'object' && first !== null ? (first as { port?: unknown; fd?: unknown }) : null;
    const port = options ? options.port : first;
    if (typeof port === 'number' || typeof port === 'string') return Number(port) === this.#order.port;
    return options?.fd === this.#order.fd;
  }

  #open(): TcpHandle | null {
    const open = Reflect.get(net, '_createServerHandle') as OpenHandle | undefined;
    const handle = open?.(null, null, null, this.#order.fd) ?? null;
    if (handle === null || typeof handle === 'number') return null;
    if (!this.#held) return handle;
    // To the app it listens, with an address and all; to the network it does not yet.
    let backlog = DEFAULT_BACKLOG;
    handle.listen = (wanted) => {
      backlog = wanted;
      return 0;
    };
    this.#held.push(() => {
      delete (handle as Partial<TcpHandle>).listen;
      handle.listen(backlog); // fails where the app has closed it, which is as well
    });
    return handle;
  }

  /** Connections to it count as the app's own: https://nodejs.org/api/http.html#event-connection */
  #openDoor(server: net.Server): void {
    const { allowHalfOpen = false } = server as { allowHalfOpen?: boolean };
    const door = new net.Server({ allowHalfOpen }, (socket) => {
      try {
        server.emit('connection', socket);
      } catch {
        socket.destroy(); // a cluster's primary hands its connections on in another way
      }
    });
    door.on('error', () => {}); // the warden sees that there is none
    this.#listen.call(door, this.#order.ready, quietly(() => chmodSync(this.#order.ready, 0o600)));
    server.once('close', quietly(() => void door.close()));
    // Until the app's server really listens, the door alone keeps the app alive; from then on it is the app's affair.
    if (this.#held) this.#held.push(() => door.unref());
    else door.unref();
  }

  #release(): void {
    const held = this.#held;
    this.#held = null;
    for (const act of held ?? []) act();
  }
}

/** As listen({ signal }) does, but not where it is given a handle. */
function closeOnAbort(server: net.Server, signal: AbortSignal | undefined): void {
  const close = () => void server.close();
  if (signal?.aborted) process.nextTick(close);
  else signal?.addEventListener('abort', close, { once: true });
}
