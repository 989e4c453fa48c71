import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../clock.js';
import { messageOf } from '../../errors.js';
import type { Log } from '../../log.js';
import { basicOf, isSame, tokenOf } from '../auth.js';
import { SparseLog } from '../../sparse-log.js';
import { Bcrypt } from './bcrypt.js';
import type { WebConfig } from './parse.js';
import { TokenBucket } from './token-bucket.js';
import { Users } from './users.js';
import type { WebConfigFile } from './web-config-file.js';

export interface AccessParts {
  web: Pick<WebConfigFile, 'current'>;
  /** Whoever has it may read as well. */
  token(): Promise<string>;
  clock: Pick<Clock, 'monotonic'>;
  log: Log;
}

const BAD_FILE = 'the web config file cannot be used, and nobody is let in until it can; the log says what is wrong with it';

/** What the web config asks of every request: its headers, its rate limit, its users. */
export class Access {
  readonly #parts: AccessParts;
  readonly #bcrypt = new Bcrypt();
  readonly #users = new Users((password, hash) => this.#bcrypt.compare(password, hash));
  readonly #bucket: TokenBucket;
  readonly #log: SparseLog;

  constructor(parts: AccessParts) {
    this.#parts = parts;
    this.#bucket = new TokenBucket(parts.clock);
    this.#log = new SparseLog(parts.log);
  }

  /** An onRequest hook, before every other one. */
  hook = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const config = await this.#config();
    if (!config) return reply.code(500).send({ error: 'failed', message: BAD_FILE });
    // Beneath what a route sets by itself, and also where Fastify sends nothing, as in a stream.
    for (const [name, value] of config.headers) reply.raw.setHeader(name, value);
    const { users, rateLimit } = config;
    if (users.size === 0 && !rateLimit) return undefined;
    if (await this.#hasToken(request)) return undefined;
    const waitMs = rateLimit ? this.#bucket.take(rateLimit) : 0;
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1000);
      const message = 'more requests came than the rate_limit of the web config file lets through; wait a moment';
      return reply.code(429).header('Retry-After', String(seconds)).send({ error: 'too_many_requests', message });
    }
    return users.size === 0 ? undefined : this.#user(config, request, reply);
  };

  close(): Promise<void> {
    return this.#bcrypt.close();
  }

  async #user({ users }: WebConfig, { headers }: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const given = basicOf(headers.authorization);
    const verdict = given ? await this.#users.check(users, given.user, given.password) : 'wrong';
    if (verdict === 'right') return undefined;
    if (verdict === 'busy') {
      const message = 'too many passwords wait to be checked; try again in a few seconds';
      return reply.code(503).header('Retry-After', '5').send({ error: 'busy', message });
    }
    return reply
      .code(401)
      .header('WWW-Authenticate', 'Basic realm="heapwarden", charset="UTF-8"')
      .send({ error: 'unauthorized', message: 'a user of the web config file, or the token, is needed to read here' });
  }

  async #config(): Promise<WebConfig | null> {
    try {
      return await this.#parts.web.current();
    } catch (error) {
      this.#log.error('web config', `every request is refused, for the web config file has become bad:\n${messageOf(error)}`);
      return null;
    }
  }

  /** A token that cannot be read opens nothing; what needs it says why. */
  async #hasToken({ headers }: FastifyRequest): Promise<boolean> {
    const given = tokenOf(headers.authorization);
    if (given === null) return false;
    const token = await this.#parts.token().catch(() => null);
    return token !== null && isSame(given, token);
  }
}
