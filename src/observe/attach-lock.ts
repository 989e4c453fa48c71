import { createServer, type Server } from 'node:net';

/** In Linux's abstract namespace: unix(7). */
const NAME = '\0heapwarden-attach';

/**
 * One inspector at a time on a machine, for all of them open the same port. The lock is a name, not a file: it is the
 * whole network namespace's, as the port is, whoever the user, and ends with its holder, however that ends.
 */
export class AttachLock {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** null where somebody else holds it. Rejects where this system has no such names. */
  static take(): Promise<AttachLock | null> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => socket.destroy());
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') resolve(null);
        else reject(error);
      });
      server.listen(NAME, () => resolve(new AttachLock(server)));
    });
  }

  /** Again does nothing. */
  async release(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
