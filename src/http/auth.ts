import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * An onRequest hook, so that nothing is read of a stranger's body. It lets in who has the token: as Bearer, or as the
 * password of Basic with any user name.
 */
export function requireToken(token: () => Promise<string>) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const given = tokenOf(request.headers.authorization);
    if (given !== null && isSame(given, await token())) return undefined;
    return reply
      .code(401)
      .header('WWW-Authenticate', 'Bearer realm="heapwarden", Basic realm="heapwarden"')
      .send({ error: 'unauthorized', message: 'send the token from the token file as "Authorization: Bearer TOKEN"' });
  };
}

/** An onRequest hook: before everything has been measured once, nothing is decided; Alertmanager tries again on a 503. */
export function requireReady(isReady: () => boolean) {
  return async (_request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    if (isReady()) return undefined;
    const message = 'heapwarden is starting or stopping; try again in a moment';
    return reply.code(503).header('Retry-After', '1').send({ error: 'not_ready', message });
  };
}

/** What a request that changes something has to pass. */
export function guarded(warden: { token(): Promise<string>; isReady(): boolean }) {
  return [requireToken(() => warden.token()), requireReady(() => warden.isReady())];
}

/** Of Bearer, or the password of Basic. */
export function tokenOf(header: string | undefined): string | null {
  const { scheme, value } = partsOf(header);
  return scheme === 'bearer' ? value : (basicOf(header)?.password ?? null);
}

/** Null for any other scheme, and for what is none: https://www.rfc-editor.org/rfc/rfc7617#section-2 */
export function basicOf(header: string | undefined): { user: string; password: string } | null {
  const { scheme, value } = partsOf(header);
  if (scheme !== 'basic') return null;
  const pair = Buffer.from(value, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? null : { user: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

function partsOf(header: string | undefined): { scheme: string; value: string } {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(header ?? '') ?? [];
  return { scheme: scheme.toLowerCase(), value };
}

/** Over digests, so that neither content nor length shows in the time it takes. */
export function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
