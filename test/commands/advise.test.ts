import t from 'tap';
import { advise } from '../../src/commands/advise.js';
import type { AdviceStatus } from '../../src/publish/advice.js';
import { serverOf } from '../http/support.js';

const leak: AdviceStatus = {
  code: 'leak',
  workers: ['1', '0', '2'],
  sentence: 'leaks: its heap grows by 31 MB an hour',
  change: 'read suspects.txt',
  measured_seconds: 3600,
  figures: { class: 'heap', bytes_per_second: 8611, confidence: 0.91, forecast_seconds: null },
};
const early: AdviceStatus = {
  code: 'too_early',
  workers: ['0'],
  sentence: 'has run for 4m',
  change: null,
  measured_seconds: 0,
  figures: { uptime_seconds: 240, trend_after_seconds: 600 },
};

t.test('what was measured, and below it what to do', async (t) => {
  const { server, warden } = serverOf(t);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const run = async (options: Partial<Parameters<typeof advise>[0]> = {}) => {
    const lines: string[] = [];
    t.equal(await advise({ app: null, json: false, url, tokenFile: null, configFile: null, ...options }, (line) => lines.push(line)), 0);
    return lines;
  };
  t.strictSame(await run(), ['no app is configured, so there is nothing to advise on']);
  warden.adviceOnRecord.push({ app: 'shop', advice: [leak] }, { app: 'api', advice: [early] });
  t.strictSame(await run(), [
    'shop/1 leaks: its heap grows by 31 MB an hour (the same of shop/0, shop/2)',
    '    → read suspects.txt',
    'api/0 has run for 4m',
  ]);
  warden.adviceOnRecord.push({ app: 'web', advice: [{ ...early, sentence: 'was held by \x1b[2J()\n' }] });
  t.equal((await run()).at(-1), 'web/0 was held by \ufffd[2J()\ufffd');
  t.strictSame(JSON.parse((await run({ json: true, app: 'shop' })).join('\n')), warden.adviceOnRecord);
  await t.rejects(run({ app: 'a b' }), { code: 'REQUEST_FAILED', message: /said: no app a b is configured$/ });
});
