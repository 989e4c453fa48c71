/** A debugger over the inspector's WebSocket (RFC 6455), no more of it than to say something and to see it answered. */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { waitFor } from './wait.js';

export class Debugger {
  readonly #socket: Socket;
  #heard = '';
  #lastId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => (this.#heard += String(chunk)));
    socket.on('error', () => {}); // the app may be killed
  }

  /** Throws where nobody answers at `url` (ws://…). */
  static attach(url: string): Promise<Debugger> {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
    };
    return new Promise((resolve, reject) => {
      const attempt = request(url.replace(/^ws:/, 'http:'), { headers });
      attempt.once('upgrade', (_response, socket) => resolve(new Debugger(socket as Socket)));
      attempt.once('response', ({ statusCode }) => reject(new Error(`the inspector answered ${statusCode}`)));
      attempt.once('error', reject);
      attempt.end();
    });
  }

  async send(method: string, params: object = {}): Promise<void> {
    const id = (this.#lastId += 1);
    const payload = Buffer.from(JSON.stringify({ id, method, params }));
    if (payload.length > 125) throw new Error('longer than this small client can say');
    // A final text frame, masked with zeros: a client has to mask, not to mask well.
    this.#socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
    await this.heard(`"id":${id}`);
  }

  /** Waits until it has been told this, at any time. */
  async heard(text: string): Promise<void> {
    await waitFor(`the inspector to say ${text}`, () => this.#heard.includes(text));
  }

  detach(): void {
    this.#socket.destroy();
  }
}
