import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { FrameReader, frameOf, OPCODE } from './websocket-frames.js';

export interface WebSocketOptions {
  /** Milliseconds until the server must have accepted. */
  timeoutMs: number;
  /** Bytes of the largest message that is read; a larger one ends the connection. */
  maxBytes: number;
  onText(text: string): void;
  /** Once, however it came to an end; without an error where we ended it. */
  onEnd(error: Error | null): void;
}

/** Of RFC 6455, section 1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * A WebSocket client (RFC 6455) for one peer, Node's inspector: text messages, no extensions, no subprotocols. Node 20
 * has none of its own.
 */
export class WebSocketClient {
  readonly #socket: Socket;

  private constructor(socket: Socket, head: Buffer, { maxBytes, onText, onEnd }: WebSocketOptions) {
    this.#socket = socket;
    const reader = new FrameReader(maxBytes);
    let ended = false;
    const end = (error: Error | null) => {
      socket.destroy();
      if (!ended) onEnd(error);
      ended = true;
    };
    const read = (chunk: Buffer) => {
      try {
        for (const { opcode, payload } of reader.read(chunk)) {
          if (opcode === OPCODE.text) onText(payload.toString('utf8'));
          else if (opcode === OPCODE.ping) socket.write(frameOf(OPCODE.pong, payload));
          else if (opcode === OPCODE.close) end(null);
        }
      } catch (error) {
        end(error as Error);
      }
    };
    socket.on('data', read);
    socket.on('error', end);
    socket.on('close', () => end(null));
    if (head.length > 0) read(head);
  }

  /** `url`: of `ws:`. Rejects where nobody accepts in time. */
  static open(url: URL, options: WebSocketOptions): Promise<WebSocketClient> {
    const key = randomBytes(16).toString('base64');
    const accept = createHash('sha1').update(key + ACCEPT_GUID).digest('base64');
    return new Promise((resolve, reject) => {
      const asking = request({
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port,
        path: url.pathname + url.search,
        agent: false,
        signal: AbortSignal.timeout(options.timeoutMs),
        headers: {
          Connection: 'Upgrade',
          Upgrade: 'websocket',
          'Sec-WebSocket-Version': '13',
          'Sec-WebSocket-Key': key,
        },
      });
      asking.once('error', reject);
      asking.once('response', (response) => {
        response.destroy();
        reject(new Error(`no WebSocket there: status ${response.statusCode}`));
      });
      asking.once('upgrade', (response, socket: Socket, head) => {
        asking.off('error', reject);
        asking.on('error', () => {}); // its time is over only after it has succeeded
        if (response.headers['sec-websocket-accept'] !== accept) {
          socket.destroy();
          return reject(new Error('no WebSocket there: it does not answer the handshake'));
        }
        socket.setNoDelay(true);
        resolve(new WebSocketClient(socket, head, options));
      });
      asking.end();
    });
  }

  send(text: string): void {
    if (this.#socket.writable) this.#socket.write(frameOf(OPCODE.text, Buffer.from(text)));
  }

  /** Sends a last message, where there is one, and nothing after it; what still comes is read. */
  finish(text?: string): void {
    if (text === undefined) this.#socket.end();
    else if (this.#socket.writable) this.#socket.end(frameOf(OPCODE.text, Buffer.from(text)));
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
