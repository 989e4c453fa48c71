import { Server } from 'node:net';
import { quietly } from './quietly.cjs';
import type { SharedPort } from './shared-port.cjs';

/** Every server that listens in this process, whatever kind it is: http, https, http2 and tls all end in net.Server. */
export class Servers {
  readonly #known = new Set<WeakRef<Server>>();
  readonly #gone = new FinalizationRegistry((ref: WeakRef<Server>) => this.#known.delete(ref));

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
    const servers = [...this.#known].map((ref) => ref.deref()).filter((server) => server?.listening);
    return [...new Set(servers)] as Server[];
  }
}
