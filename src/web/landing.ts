import type { FastifyPluginAsync } from 'fastify';

/** A plain page of links, as Prometheus exporters have it. */
export function landingRoute({ version, metricsPath }: { version: string; metricsPath: string }): FastifyPluginAsync {
  return async (server) => {
    server.get('/', async (_request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
        .send(page(version, metricsPath)),
    );
  };
}

const LINKS: readonly (readonly [string, string])[] = [
  ['/api/v1/apps', 'the apps and their workers, as JSON'],
  ['/api/v1/incidents', 'restarts and refusals, newest first, as JSON'],
  ['/api/v1/advice', 'what to change, by what was measured, as JSON'],
  ['/-/healthy', 'whether heapwarden runs'],
  ['/-/ready', 'whether it has measured everything once'],
];

function page(version: string, metricsPath: string): string {
  const links = [[metricsPath, 'metrics for Prometheus'] as const, ...LINKS];
  return `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>heapwarden</title></head>
<body>
<h1>heapwarden</h1>
<p>Version ${escapeHtml(version)}. Keeps Node.js services inside their memory limits.</p>
<ul>
${links.map(([path, what]) => `<li><a href="${escapeHtml(path)}">${escapeHtml(path)}</a>: ${what}</li>`).join('\n')}
</ul>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
