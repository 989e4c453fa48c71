import { hostname } from 'node:os';
import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface HostRules {
  /** Names this port may be called by, lower case; IP addresses and localhost always. */
  names: ReadonlySet<string>;
  /** Those of them that a proxy may have, whatever its port: the ones that were told, lower case. */
  proxies: ReadonlySet<string>;
  /** Whether reading by another name is refused, too. */
  guardsReading: boolean;
}

/**
 * On loopback nobody has reason to call it by a stranger's name, but a page whose name was pointed at 127.0.0.1 (DNS
 * rebinding): there reading is guarded. In a network, Prometheus may know the machine by any name, and so reading is
 * guarded where the names have been told (`--web.allowed-host`).
 */
export function hostRules(listenHost: string, allowed: readonly string[]): HostRules {
  const own = [hostname(), ...(isIP(listenHost) === 0 ? [listenHost] : [])];
  return {
    names: lowerCase([...own, ...allowed]),
    proxies: lowerCase(allowed),
    guardsReading: isLoopback(listenHost) || allowed.length > 0,
  };
}

/**
 * An onRequest hook, before every other one. Pages that a browser has open are told from programs by Origin, which
 * browsers send with every POST, and by Sec-Fetch-Site.
 */
export function checkHost(rules: HostRules) {
  return async ({ method, headers }: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const { host, origin, 'sec-fetch-site': site } = headers;
    const changes = !['GET', 'HEAD', 'OPTIONS'].includes(method);
    const isOfPage = origin !== undefined || site !== undefined;
    const refuse = (error: string, message: string) => reply.code(403).send({ error, message });
    if (host !== undefined && (rules.guardsReading || (changes && isOfPage)) && !isKnown(nameIn(host), rules)) {
      const name = nameIn(host);
      const message =
        `${JSON.stringify(host)} is none of this heapwarden's names; ` +
        `where a proxy or a client calls it so, start it with --web.allowed-host=${/^[\w.-]+$/.test(name) ? name : 'NAME'}`;
      return refuse('unknown_host', message);
    }
    if (!changes) return undefined;
    if (site !== undefined && site !== 'same-origin' && site !== 'none') {
      return refuse('cross_site', 'a page of another origin asks for this; only the status page may');
    }
    if (origin !== undefined && !isOwn(origin, host, rules)) {
      const message =
        `a page of ${JSON.stringify(origin)} asks for this; only the status page may. Where a proxy serves it under that ` +
        'name, start heapwarden with --web.allowed-host=NAME';
      return refuse('cross_site', message);
    }
    return undefined;
  };
}

/**
 * By the port, too: other servers of this machine have its name as well. Where a proxy changes Host on the way, the
 * page's own name has to be told.
 */
function isOwn(origin: string, host: string | undefined, { proxies }: HostRules): boolean {
  if (!URL.canParse(origin)) return false; // "null": a sandboxed or a local page
  const url = new URL(origin);
  return url.host === host?.toLowerCase() || proxies.has(url.hostname);
}

const lowerCase = (names: readonly string[]): Set<string> => new Set(names.map((name) => name.toLowerCase()));

function isKnown(name: string, { names }: HostRules): boolean {
  return isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost') || names.has(name);
}

/** Without port, brackets and the dot that ends a full name. */
function nameIn(host: string): string {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? [];
  return (bracketed ?? plain).toLowerCase().replace(/\.$/, '');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
