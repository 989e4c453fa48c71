import t from 'tap';
import { incidents } from '../../src/commands/incidents.js';
import { incidentStatus } from '../../src/publish/incidents.js';
import { deathOf, incidentOf } from '../act/support.js';
import { NOW } from '../decide/support.js';
import { serverOf } from '../http/support.js';

t.test('what is on record, in lines', async (t) => {
  const { server, warden } = serverOf(t);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const run = async (options: Partial<Parameters<typeof incidents>[0]> = {}) => {
    const lines: string[] = [];
    const plain = { app: null, limit: 20, json: false, url, tokenFile: null, configFile: null };
    t.equal(await incidents({ ...plain, ...options }, (line) => lines.push(line)), 0);
    return lines;
  };
  const outcome = incidentOf({ id: 'x' }).outcome!;
  const refusal = { action: 'refuse', reason: 'budget', outcome: null, sentence: 'shop/0: refused, the budget' } as const;
  warden.incidentsOnRecord.splice(0, 1, ...[
    deathOf({ id: 'f', evidence: { folder: '/evidence/f', files: [], finding: null, notes: [] } }),
    deathOf({ id: 'e' }),
    incidentOf({ id: 'd', sentence: 'shop/0: asked', outcome: null }),
    incidentOf({ id: 'c', ...refusal }),
    incidentOf({ id: 'b', outcome: { ...outcome, relapsedAtMs: NOW + 60_000 } }),
    incidentOf({ id: 'a', outcome: { ...outcome, evidence: { folder: '/evidence/a', files: [], finding: 'it was remember()', notes: [] } } }),
  ].map(incidentStatus));
  t.strictSame(await run(), [
    "2023-11-14T22:13:20Z  shop/0 died of V8's heap limit",
    '                      → /evidence/f',
    "2023-11-14T22:13:20Z  shop/0 died of V8's heap limit",
    '2023-11-14T22:13:20Z  shop/0: asked',
    '                      → under way',
    '2023-11-14T22:13:20Z  shop/0: refused, the budget',
    '2023-11-14T22:13:20Z  shop/0: heapwarden asked for a restart (rss)',
    '                      → recovered: shop/0: restarted in 1.0 s; back at its limit at 2023-11-14T22:14:20Z',
    '2023-11-14T22:13:20Z  shop/0: heapwarden asked for a restart (rss)',
    '                      → recovered: shop/0: restarted in 1.0 s',
    '                      → it was remember()',
    '                      → /evidence/a',
  ]);
  t.strictSame(JSON.parse((await run({ json: true })).join('\n')), warden.incidentsOnRecord);
  const evidence = { folder: null, files: [], finding: 'it was \x1b[2J()\n2023', notes: [] };
  const older = incidentStatus(incidentOf({ id: 'a', outcome: { ...outcome, evidence } }));
  warden.incidentsOnRecord.splice(0, Infinity, older);
  t.equal((await run()).at(-1), '                      → it was \ufffd[2J()\ufffd2023', 'named by an app');
  await run({ app: 'a b', limit: 7 });
  t.strictSame(warden.filters.at(-1), { app: 'a b', limit: 7 });
  warden.incidentsOnRecord.length = 0;
  t.strictSame(await run(), ['nothing is on record']);
  t.strictSame(await run({ app: 'shop' }), ['nothing is on record of shop']);
});
