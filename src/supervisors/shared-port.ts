import { lookup } from 'node:dns/promises';
import { fstatSync } from 'node:fs';
import * as net from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { SharedPortOrder } from '../agent/shared-port.cjs';
import { HeapwardenError, messageOf } from '../errors.js';

/** What Node's cluster module uses; undocumented, but exported by every Node from 18 to 26. */
type CreateHandle = (address: string, port: number, family: 4 | 6, fd: -1, flags: 0) => BoundHandle | number;
interface BoundHandle {
  readonly fd: number;
  /** 0, or a negative errno: libuv keeps an EADDRINUSE until somebody asks. */
  getsockname(out: object): number;
  close(): void;
}

/**
 * A TCP socket that outlives the processes that accept on it: connections wait in its queue while none of them does.
 * Bound only, here; the first process that listens on it opens it. So until then connections are refused, and after
 * that they wait, even where no process comes any more.
 */
export class SharedPort {
  /** As in the config: host:port. */
  readonly address: string;
  readonly #port: number;
  readonly #handle: BoundHandle;

  /** Throws HeapwardenError ADDRESS_IN_USE where the address cannot be had, SUPERVISOR_REFUSED where this Node cannot. */
  static async bind(app: string, address: string): Promise<SharedPort> {
    const create = Reflect.get(net, '_createServerHandle') as CreateHandle | undefined;
    if (process.platform === 'win32' || !create) {
      const system = process.platform === 'win32' ? 'Windows' : `Node ${process.versions.node}`;
      throw new HeapwardenError(
        'SUPERVISOR_REFUSED',
        `${app}: child.listen does not work on ${system}; take it out of the config, and the app opens its port itself`,
      );
    }
    const refuse = (why: string) =>
      new HeapwardenError('ADDRESS_IN_USE', `${app}: cannot open ${address} (child.listen): ${why}`);
    const [, host = '', port] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
    const ip = await lookup(host).catch((error: unknown) => {
      throw refuse(messageOf(error));
    });
    const handle = create(ip.address, Number(port), ip.family === 6 ? 6 : 4, -1, 0);
    const errno = typeof handle === 'number' ? handle : handle.getsockname({});
    if (typeof handle !== 'number' && errno === 0) return new SharedPort(address, Number(port), handle);
    if (typeof handle !== 'number') handle.close();
    const name = getSystemErrorName(errno);
    throw refuse(name === 'EADDRINUSE' ? 'another program listens there; stop it, or choose another port' : name);
  }

  private constructor(address: string, port: number, handle: BoundHandle) {
    this.address = address;
    this.#port = port;
    this.#handle = handle;
  }

  /** For the stdio of a process. */
  get fd(): number {
    return this.#handle.fd;
  }

  /** What tells the process at which `fd` it has it; the rest as SharedPortOrder has it. */
  order(its: Pick<SharedPortOrder, 'fd' | 'ready' | 'hold'>): SharedPortOrder {
    return { port: this.#port, inode: fstatSync(this.fd).ino, ...its };
  }

  close(): void {
    this.#handle.close();
  }
}
