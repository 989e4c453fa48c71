import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { DockerEngine, dockerSocket } from '../../src/supervisors/docker-engine.js';

const shortDir = (t: Test): string => {
  const dir = mkdtempSync(join(tmpdir(), 'hw-eng-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

/** Answers as it is told, on a socket of its own. */
async function daemon(t: Test, answer: RequestListener): Promise<string> {
  const path = join(shortDir(t), 's');
  const server = createServer(answer).listen(path);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return path;
}

t.test('where its socket is', async (t) => {
  t.equal(dockerSocket({}), '/var/run/docker.sock');
  t.equal(dockerSocket({ DOCKER_HOST: '' }), '/var/run/docker.sock');
  t.equal(dockerSocket({ DOCKER_HOST: 'unix:///run/podman/podman.sock' }), '/run/podman/podman.sock');
  for (const host of ['tcp://10.0.0.1:2376', 'ssh://me@there', 'unix://', 'unix://relative']) {
    t.equal(dockerSocket({ DOCKER_HOST: host }), null, host);
  }
});

t.test('why it cannot be asked', async (t) => {
  const why = (socketPath: string | null) => new DockerEngine({ socketPath, timeoutMs: 200 }).get('/info').then(
    () => 'it answered',
    ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
  );
  const dir = shortDir(t);
  t.equal(
    await why(join(dir, 'none')),
    `SUPERVISOR_UNREACHABLE: Docker cannot be asked: there is no ${dir}/none: start Docker (systemctl start docker), or set ` +
      "DOCKER_HOST=unix:///path for heapwarden where its socket is elsewhere (Podman's is /run/podman/podman.sock: systemctl start podman.socket)",
  );
  t.equal(
    await why(null),
    'SUPERVISOR_UNREACHABLE: Docker cannot be asked: DOCKER_HOST names no Unix socket. heapwarden watches containers of its own ' +
      'machine: set DOCKER_HOST=unix:///path/to/docker.sock for it, or unset it, and run a heapwarden on the other machine for those',
  );
  t.match(await why(await daemon(t, (request) => request.socket.destroy())), /Docker broke off at .* \(ECONNRESET\); is its daemon being restarted\?$/);
  t.match(await why(await daemon(t, () => {})), /Docker did not answer \/info within 0\.2 s; its own log says more/);
  t.match(await why(await daemon(t, (_request, response) => response.write('{'))), /did not answer \/info within 0\.2 s/);
  t.match(await why(await daemon(t, (_request, response) => response.end('<html>'))), /SUPERVISOR_UNREACHABLE.*does not answer as Docker does/);
  const refuses = (body: string) => daemon(t, (_request, response) => response.writeHead(500).end(body));
  t.equal(await why(await refuses('{"message":"server misbehaves"}\n')), 'SUPERVISOR_REFUSED: Docker refused to answer GET /info: server misbehaves (500)');
  t.equal(await why(await refuses('')), 'SUPERVISOR_REFUSED: Docker refused to answer GET /info: it did not say why (500)');
});

t.test('a socket that is for others', async (t) => {
  if (process.getuid?.() !== 0) return t.pass('takes root, who may be anybody', { skip: 'could not run: takes root' });
  const path = await daemon(t, (_request, response) => response.end('{}'));
  await chmod(path, 0o660);
  await chmod(join(path, '..'), 0o755);
  const source = new URL('../../dist/supervisors/docker-engine.js', import.meta.url);
  const script = `new (await import(${JSON.stringify(source)})).DockerEngine({ socketPath: ${JSON.stringify(path)} }).get('/info').catch((error) => console.log(error.message))`;
  const nobody = { uid: 65_534, gid: 65_534, env: { PATH: process.env['PATH'] }, cwd: '/' };
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], nobody);
  t.equal(
    stdout.trim(),
    `Docker cannot be asked: this user may not use ${path}: add it to the group that owns the socket (gid 0), most likely by ` +
      'usermod -aG docker USER, and start heapwarden anew; that group is as powerful as root',
  );
});

t.test('what is asked', async (t) => {
  const asked: string[] = [];
  const socketPath = await daemon(t, (request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.host}`);
    response.writeHead(request.url === '/none' ? 404 : 200).end('{"a":1}');
  });
  const engine = new DockerEngine({ socketPath });
  t.strictSame(await engine.get('/x', { query: { filters: '{"label":["a=b c"]}' } }), { a: 1 });
  t.equal(await engine.get('/none'), null);
  await engine.post('/restart', 'to restart shop', { query: { t: '10' } });
  await t.rejects(engine.post('/none', 'to restart shop'), { code: 'SUPERVISOR_REFUSED', message: 'Docker refused to restart shop: {"a":1} (404)' });
  t.strictSame(asked, [
    'GET /x?filters=%7B%22label%22%3A%5B%22a%3Db+c%22%5D%7D docker', 'GET /none docker', 'POST /restart?t=10 docker', 'POST /none docker',
  ]);
  await t.rejects(engine.get('/x', { signal: AbortSignal.abort(new Error('enough')) }), { message: 'enough' });
  engine.close();
  await t.rejects(engine.get('/x'), { code: 'SUPERVISOR_UNREACHABLE' });
});
