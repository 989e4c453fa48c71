import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { FastifyPluginAsync } from 'fastify';

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
  ...Object.fromEntries(MODULES.map((name) => [`/assets/web/page/${name}.js`, () => beside(`page/${name}.js`)])),
};

/** The status page: works offline, and asks no other origin for anything. */
export function pageRoutes({ metricsPath }: { metricsPath: string }): FastifyPluginAsync {
  return async (server) => {
    server.addHook('onSend', async (_request, reply) => {
      reply.header('Content-Security-Policy', POLICY).header('Referrer-Policy', 'no-referrer').header('Cache-Control', 'no-cache');
    });
    server.get('/', { schema: { hide: true } }, async (_request, reply) => {
      const page = await readFile(beside('page/index.html'), 'utf8');
      return reply.type(TYPES.html).send(page.replace('href="metrics"', `href="${escaped(metricsPath.replace(/^\//, ''))}"`));
    });
    for (const [path, fileOf] of Object.entries(FILES)) {
      server.get(path, { schema: { hide: true } }, async (_request, reply) => reply.type(path.endsWith('.css') ? TYPES.css : TYPES.js).send(await readFile(fileOf())));
    }
  };
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
