import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { takesGzip } from '../http/encoding.js';

/** Nothing from elsewhere, nothing inline, no frame around it; the icon is an empty data: URL. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' } as const;

const beside = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const ofUplot = (file: string): string => fileURLToPath(import.meta.resolve(`uplot/dist/${file}`));

const MODULES = [
  'actions', 'api', 'app-section', 'chart', 'dom', 'incident-list', 'main', 'stream', 'token', 'trace', 'words', 'worker-card',
];

/** What the page consists of: paths as the browser asks for them, and files. Nothing else is served. */
const FILES: Readonly<Record<string, () => string>> = {
  '/assets/web/page/style.css': () => beside('page/style.css'),
  '/assets/uplot.css': () => ofUplot('uPlot.min.css'),
  '/assets/web/page/uplot.js': () => ofUplot('uPlot.esm.js'),
  '/assets/units.js': () => beside('../units.js'),
  '/assets/publish/leak-words.js': () => beside('../publish/leak-words.js'),
  '/assets/publish/missing-words.js': () => beside('../publish/missing-words.js'),
  ...Object.fromEntries(MODULES.map((name) => [`/assets/web/page/${name}.js`, () => beside(`page/${name}.js`)])),
};

/** All at once: a module that is found by another's import would each cost a slow connection a round trip. */
const PRELOADS = Object.keys(FILES)
  .filter((path) => path.endsWith('.js'))
  .map((path) => `<link rel="modulepreload" href="${path.slice(1)}">`);

interface Asset {
  type: string;
  etag: string;
  plain: Buffer;
  zipped: Buffer;
}

/** The status page: works offline, and asks no other origin for anything. */
export function pageRoutes({ metricsPath }: { metricsPath: string }): FastifyPluginAsync {
  return async (server) => {
    server.addHook('onSend', async (_request, reply) => {
      reply.header('Content-Security-Policy', POLICY).header('Referrer-Policy', 'no-referrer').header('Cache-Control', 'no-cache');
    });
    const makers: Record<string, () => Promise<Asset>> = {
      '/': async () => {
        const page = await readFile(beside('page/index.html'), 'utf8');
        const linked = page.replace('href="metrics"', `href="${escaped(metricsPath.replace(/^\//, ''))}"`);
        return assetOf(TYPES.html, Buffer.from(linked.replace('<script ', `${PRELOADS.join('\n')}\n<script `)));
      },
      ...Object.fromEntries(
        Object.entries(FILES).map(([path, fileOf]) => [path, async () => assetOf(path.endsWith('.css') ? TYPES.css : TYPES.js, await readFile(fileOf()))]),
      ),
    };
    // Read once: an update under way must not mix two versions of the page.
    const assets = new Map<string, Asset>();
    for (const [path, make] of Object.entries(makers)) {
      server.get(path, { schema: { hide: true } }, async (request, reply) => {
        const asset = assets.get(path) ?? (await make());
        assets.set(path, asset);
        return send(asset, request, reply);
      });
    }
  };
}

async function assetOf(type: string, plain: Buffer): Promise<Asset> {
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;
  return { type, etag, plain, zipped: await promisify(gzip)(plain) };
}

function send({ type, etag, plain, zipped }: Asset, { headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.header('ETag', etag).header('Vary', 'Accept-Encoding');
  if (headers['if-none-match']?.includes(etag)) return reply.code(304).send();
  reply.type(type);
  return takesGzip(headers) ? reply.header('Content-Encoding', 'gzip').send(zipped) : reply.send(plain);
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
