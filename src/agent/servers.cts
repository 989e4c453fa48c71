import { Server } from 'node:net';
import { quietly } from './quietly.cjs';
import type { SharedPort } from './shared-port.cjs';

/** Every server that listens in this process, whatever kind it is: http, https, http2 and tls all end in net.Server. */
export class Servers {
  readonly #known = new Set<WeakRef<Server>>();
  readonly #gone = new FinalizationRegistry((ref: WeakRef<Server>) => this.#known.delete(ref));
  readonly #isLate: boolean;

  /** `isLate`: the agent has come into a running process, and what listened by then it has not seen. */
  constructor({ isLate }: { isLate: boolean }) {
    this.#isLate = isLate;
  }

  /**
   * Looks on whenever listen() is called, and lets `shared` take its port; all else is as it was. A wrapper of a public
   * method, since Node 18 has no other way to learn of it, and in a cluster's worker process._getActiveHandles is blind.
   */
  watch(shared: SharedPort | null): void {
    const known = this.#known;
    const gone = this.#gone;
    const original = Server.prototype.listen as (...args: unknown[]) => Server;
    const listen = function listen(this: Server, ...args: unknown[]): Server {
      let instead: unknown[] | null = null;
      quietly(() => {
        const ref = new WeakRef(this);
        known.add(ref);
        gone.register(this, ref);
        instead = shared?.take(this, args) ?? null;
      })();
      return original.apply(this, instead ?? args);
    };
    Server.prototype.listen = listen as Server['listen'];
  }

  /** Those that listen now. */
  listening(): Server[] {
    const known = [...this.#known].map((ref) => ref.deref());
    const servers = [...known, ...(this.#isLate ? openServers() : [])].filter((server) => server?.listening);
    return [...new Set(servers)] as Server[];
  }

  /**
   * Whether there may be others than these. Node names none that is unref'd, and in a cluster's worker, where the
   * primary listens, only those that have a connection now.
   */
  mayMiss(servers: readonly Server[]): boolean {
    return this.#isLate && (servers.length === 0 || isClusterWorker());
  }
}

/** By their handles, and by those of their connections. Undocumented, but in every Node from 18 to 26. */
function openServers(): Server[] {
  const ask = Reflect.get(process, '_getActiveHandles') as (() => { server?: unknown }[]) | undefined;
  const handles = ask?.() ?? [];
  return handles.flatMap((handle) => [handle, handle.server]).filter((one): one is Server => one instanceof Server);
}

const isClusterWorker = (): boolean => (require('node:cluster') as typeof import('node:cluster').default).isWorker;
