/** A whole run of the real program at level debug: no secret in what it says, nor in what it leaves on disk. */
import { mkdtempSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { hashSync } from 'bcryptjs';
import { reportFolder } from '../supervisors/child-support.js';
import { slowService } from './slow-service.js';
import { waitFor } from './wait.js';
import { WardenProcess } from './warden-process.js';

t.setTimeout(180_000);

const PASSWORD = 'lovelace-1815';
const GUESS = 'guess-of-a-stranger';
const ROTATED = 'rotated-by-a-person';
const basic = (user: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` });

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)).filter((path) => statSync(path).isFile());
}

for (const format of ['text', 'json', 'logfmt']) {
  t.test(`in the format ${format}`, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'hw-int-'));
    const webFile = join(dir, 'web.yml');
    const hash = hashSync(PASSWORD, 4);
    const web = (text: string): void => {
      writeFileSync(`${webFile}.new`, text);
      renameSync(`${webFile}.new`, webFile);
    };
    web(`basic_auth_users: { ada: '${hash}' }\n`);
    const config = `
sample_interval: 300ms
apps:
  - name: steady
    supervisor: ${slowService(await reportFolder(t))}
    restart: { mode: stop_first, startup_grace: 0s, cooldown: 0s, stop_timeout: 5s }
`;
    const args = ['--log.level=debug', `--log.format=${format}`, `--web.config.file=${webFile}`];
    const warden = await WardenProcess.start(t, { config, dir, args });
    const get = async (path: string, headers: Record<string, string> = {}) => (await fetch(`${warden.url}${path}`, { headers }).catch(() => null))?.status ?? 0;
    await waitFor('the warden to be ready', async () => (await get('/-/ready', basic('ada', PASSWORD))) === 200, 60_000);
    const token = warden.token;

    const bearer = (given: string) => ({ authorization: `Bearer ${given}` });
    t.equal(await get('/metrics'), 401);
    t.equal(await get('/metrics', bearer(token)), 200);
    t.equal(await get('/metrics', basic('any', token)), 200);
    for (const wrong of [GUESS, `${token}x`, token.slice(0, -1)]) {
      t.equal(await get('/metrics', basic('ada', wrong)), 401);
      t.equal((await warden.post('/-/reload', undefined, wrong)).status, 401);
      t.equal((await warden.post('/api/v1/alerts', { alerts: [] }, wrong)).status, 401);
    }
    t.equal((await warden.post('/-/reload')).status, 200);
    t.equal((await warden.post('/api/v1/apps/steady/restart', { reason: 'rss' })).status, 409);
    t.equal((await warden.post('/api/v1/apps/steady/restart', {})).status, 202);
    t.equal((await warden.post('/api/v1/apps/steady/restart', { nonsense: 1 })).status, 400);
    t.equal((await warden.post('/api/v1/apps/nobody/restart', {})).status, 404);
    const alert = { status: 'firing', labels: { alertname: 'A', app: 'steady', worker: '0', reason: 'rss', action: 'restart' }, startsAt: new Date().toISOString(), fingerprint: 'f' };
    t.equal((await warden.post('/api/v1/alerts', { version: '4', alerts: [alert] })).status, 202);
    await waitFor('the restart', async () => {
      const response = await fetch(`${warden.url}/api/v1/incidents`, { headers: bearer(token) });
      const { incidents } = (await response.json()) as { incidents: { action: string; outcome: unknown }[] };
      return incidents.some(({ action, outcome }) => action === 'restart' && outcome);
    }, 60_000);

    writeFileSync(join(dir, 'token'), `${ROTATED}\n`);
    t.equal((await warden.post('/-/reload', undefined, token)).status, 401, 'rotated by rewriting the file: the old one is none any more');
    t.equal((await warden.post('/-/reload', undefined, ROTATED)).status, 200, 'and the new one is, at once');
    t.equal(await get('/metrics', bearer(ROTATED)), 200);

    web(`basic_auth_users: { ada: ${PASSWORD} }\n`);
    t.equal(await get('/metrics', bearer(ROTATED)), 500, 'a web config that has become bad');
    web(`basic_auth_users: { ada: '${hash}', "bob: ${PASSWORD}\n`);
    t.equal(await get('/metrics', bearer(ROTATED)), 500);
    web(`basic_auth_users: { ada: '${hash}' }\n`);
    t.equal(await get('/metrics', basic('ada', PASSWORD)), 200);
    t.equal(await warden.stop(), 0);

    const secrets = { token, rotated: ROTATED, password: PASSWORD, guess: GUESS, hash, basic: basic('ada', PASSWORD).authorization.slice(6) };
    t.ok(warden.log.split('\n').length > 5, 'it has said something');
    t.match(warden.log, /web config/, 'of the bad file, too');
    for (const [name, secret] of Object.entries(secrets)) t.notOk(warden.log.includes(secret), `no ${name} in the log`);
    const others = filesIn(dir).filter((path) => path !== webFile && path !== join(dir, 'token'));
    t.ok(others.some((path) => path.endsWith('journal.jsonl')));
    for (const path of others) {
      const text = readFileSync(path, 'latin1');
      for (const [name, secret] of Object.entries(secrets)) t.notOk(text.includes(secret), `no ${name} in ${path}`);
    }
  });
}
