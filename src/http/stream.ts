import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import type { FastifyPluginAsync } from 'fastify';
import type { Change } from '../publish/changes.js';
import { answering, content } from './answers.js';
import { takesGzip } from './encoding.js';
import { OPEN } from './openapi.js';
import type { WardenPort } from './port.js';

/** What an event holds, as JSON: `apps` as /api/v1/apps has it, `incidents` as /api/v1/incidents, `status` see WardenStatus. */
const EVENTS: readonly Change[] = ['status', 'apps', 'incidents'];

const STREAM = {
  ...OPEN,
  summary: 'server-sent events: status, apps, incidents',
  response: answering(200, content('text/event-stream', 'each event is the whole of what it is about, as JSON')),
};

const MOST_CLIENTS = 64;
const RECENT_INCIDENTS = 50;
/** Milliseconds until a browser tries again. */
const RETRY_MS = 2000;
/** Milliseconds; proxies end what is silent for a minute or so. */
const COMMENT_EVERY_MS = 15_000;

/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): each is the whole of what it is
 * about, so that one who cannot follow misses nothing but what was overtaken.
 */
export function streamRoute(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    const clients = new Set<Client>();
    const texts = new Map<Change, string>();
    const textOf = (event: Change): string => {
      const known = texts.get(event);
      if (known !== undefined) return known;
      const text = `event: ${event}\ndata: ${JSON.stringify(contentOf(warden, event))}\n\n`;
      texts.set(event, text);
      return text;
    };
    const stop = warden.onChange((events) => {
      for (const event of events) texts.delete(event);
      for (const client of clients) client.send(events, textOf);
    });
    const comments = setInterval(() => clients.forEach((client) => client.comment()), COMMENT_EVERY_MS).unref();
    server.addHook('preClose', async () => {
      stop();
      clearInterval(comments);
      for (const client of clients) client.end();
    });

    server.get('/api/v1/stream', { schema: STREAM }, async (request, reply) => {
      if (clients.size >= MOST_CLIENTS) {
        const message = `${MOST_CLIENTS} streams are open, and no more are served; close one, or ask /api/v1/apps now and then`;
        return reply.code(503).send({ error: 'too_many_streams', message });
      }
      reply.hijack();
      const isZipped = takesGzip(request.headers);
      reply.raw.writeHead(200, {
        ...(isZipped ? { 'content-encoding': 'gzip' } : {}),
        vary: 'accept-encoding',
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no', // nginx would hold events back
        'x-content-type-options': 'nosniff',
      });
      reply.raw.on('error', () => {}); // 'close' follows
      const body = isZipped ? zippedInto(reply.raw) : reply.raw;
      const client = new Client(body);
      clients.add(client);
      request.raw.on('close', () => {
        clients.delete(client);
        body.destroy();
      });
      body.write(`retry: ${RETRY_MS}\n\n`);
      // Nothing is kept fresh while nobody looks.
      if (clients.size === 1) texts.clear();
      client.send(EVENTS, textOf);
      return reply;
    });
  };
}

function contentOf(warden: WardenPort, event: Change): unknown {
  if (event === 'apps') return { apps: warden.apps() };
  if (event === 'incidents') return { incidents: warden.incidents({ limit: RECENT_INCIDENTS }) };
  return warden.status();
}

/** Two hundred workers come to 150 kB a round, and to a tenth of that zipped. Each write is sent whole, at once. */
function zippedInto(response: ServerResponse): Writable {
  const zip = createGzip({ level: constants.Z_BEST_SPEED, flush: constants.Z_SYNC_FLUSH });
  zip.on('error', () => response.destroy());
  zip.pipe(response);
  return zip;
}

/** One that reads slowly is sent the newest of each event when it has taken what it was sent before. */
class Client {
  readonly #body: Writable;
  readonly #owed = new Set<Change>();

  constructor(body: Writable) {
    this.#body = body;
  }

  send(events: readonly Change[], textOf: (event: Change) => string): void {
    const isWaiting = this.#owed.size > 0;
    for (const event of events) this.#owed.add(event);
    if (!isWaiting) this.#flush(textOf);
  }

  comment(): void {
    if (this.#owed.size === 0) this.#body.write(':\n\n');
  }

  end(): void {
    this.#body.end();
  }

  #flush(textOf: (event: Change) => string): void {
    for (const event of this.#owed) {
      if (this.#body.writableNeedDrain) break;
      this.#owed.delete(event);
      this.#body.write(textOf(event));
    }
    if (this.#owed.size > 0) this.#body.once('drain', () => this.#flush(textOf));
  }
}
