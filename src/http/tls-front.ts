import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Server as TlsServer, TLSSocket } from 'node:tls';

/** What does the handshake of a connection that has just come. Several share one, and what was `onSecure` for the first. */
export type EngineOf = (onSecure: (socket: TLSSocket) => void) => Promise<TlsServer>;

/**
 * Puts TLS before an HTTP server: each connection is given to the engine of that moment, so that certificates are those
 * on disk, and served when it is secure. Where there is no engine the connection ends. Returns what cuts off those whose
 * handshake is not done, of whom `http` knows nothing.
 */
export function putBehindTls(http: HttpServer, engineOf: EngineOf): () => void {
  const serve = http.listeners('connection') as ((this: HttpServer, socket: Socket) => void)[];
  http.removeAllListeners('connection');
  const waiting = new Map<string, Socket>();
  const secure = (socket: TLSSocket): void => {
    waiting.delete(keyOf(socket));
    for (const listener of serve) listener.call(http, socket);
  };
  http.on('connection', (socket: Socket) => {
    const key = keyOf(socket);
    waiting.set(key, socket);
    // HTTP servers let a client end its side early; one that does so in the handshake is gone, and would stay for ever.
    socket.allowHalfOpen = false;
    socket.once('close', () => waiting.get(key) === socket && waiting.delete(key));
    socket.on('error', () => {}); // 'close' follows
    engineOf(secure).then((engine) => void (socket.destroyed || engine.emit('connection', socket)), () => socket.destroy());
  });
  return () => waiting.forEach((socket) => socket.destroy());
}

/** The same of a connection and of what TLS makes of it. */
const keyOf = ({ remoteAddress, remotePort, localAddress }: Socket): string => `${remoteAddress} ${remotePort} ${localAddress}`;
