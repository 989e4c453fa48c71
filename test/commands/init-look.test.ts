/** What init makes of what the machine says; systemctl's and Docker's answers as they print them. */
import { createServer } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { dockerAt, dockerSocket, lookAround, parseUnits, type Sources } from '../../src/commands/init-look.js';
import type { Pm2Process } from '../../src/supervisors/pm2-rpc.js';

type Row = [pid: number, parent: number, commandLine: string];

const MACHINE: Row[] = [
  [1, 0, '/sbin/init'],
  [50, 1, 'PM2 v7.0.4: God Daemon (/root/.pm2)'],
  [51, 50, 'node /srv/shop/server.js'],
  [52, 50, 'node /root/.pm2/modules/pm2-logrotate/app.js'],
  [60, 1, '/usr/bin/node /srv/api/dist/index.js --token=hush'],
  [70, 1, '/usr/bin/node /usr/bin/heapwarden serve --config.file=/etc/heapwarden.yml'],
  [80, 1, '/usr/bin/containerd-shim -id web'],
  [81, 80, '/usr/bin/tini -- node web.js'],
  [82, 81, 'node web.js'],
  [85, 80, 'postgres'],
  [90, 1, '/usr/bin/python3 /usr/bin/supervisord -n'],
  [91, 90, 'node --inspect /srv/queue/index.js'],
  [95, 1, 'node legacy.js --password=hush'],
  [96, 95, 'node legacy.js --password=hush'],
  [97, 1, 'node idle.js'],
  [98, 1, '/usr/sbin/nginx'],
  [99, 1, 'PM2 v6.0.0: God Daemon (/home/other/.pm2)'],
  [200, 1, 'bash'],
  [201, 200, 'node heapwarden init'],
];
const NODE = new Set([50, 51, 52, 60, 70, 82, 91, 95, 96, 97, 99, 201]);
const PORTS: Record<number, number[]> = { 50: [3000], 51: [3000], 60: [4000], 70: [9973], 82: [80], 91: [9229, 5000], 95: [8080], 96: [8080], 98: [81], 99: [6000], 201: [1] };

// systemctl show '*.service' --property=Id,MainPID,Restart of systemd 252; other units between them.
const UNITS = `Restart=on-failure
MainPID=50
Id=pm2-root.service

Restart=always
MainPID=60
Id=api.service

Restart=no
MainPID=0
Id=apt-daily.service

Restart=on-failure
MainPID=70
Id=heapwarden.service

Restart=on-failure
MainPID=98
Id=nginx.service
`;

const process = (pmId: number, name: string, pid: number): Pm2Process => ({
  pmId, name, status: 'online', pid, clustered: false, waitsReady: false, listenTimeoutMs: 3000, startedAtMs: 0, standsInFor: null, logs: [],
});

function sources(more: Partial<Sources> = {}): Sources {
  return {
    pm2: {
      list: async () => [process(0, 'shop', 51), process(1, 'pm2-logrotate', 52), { ...process(2, 'shop', 53), standsInFor: { pmId: 0, pid: 51 } }],
      settings: async (pmId) => (pmId === 1 ? { pmx_module: true } : { max_memory_restart: 3e8 }),
    },
    finder: {
      withCommandLines: async () =>
        new Map(MACHINE.map(([pid, parent, commandLine]) => [pid, { pid, parent, start: pid, startedAtMs: pid, commandLine }])),
    },
    systemctl: async () => UNITS,
    docker: async (path) => (path === '/containers/json' ? [{ Id: 'a1', Names: ['/web'], Image: 'web:3' }, { Id: 'b2', Names: ['/db'], Image: 'postgres' }, { Id: 'c3', Names: ['/far'], Image: 'x' }] : { State: { Pid: { '/containers/a1/json': 81, '/containers/b2/json': 85 }[path] ?? 12345 } }),
    isNode: async (pid) => NODE.has(pid),
    portsOf: async (pid) => PORTS[pid] ?? [],
    measure: async (pids) => new Map(pids.map((pid) => [pid, pid * 1e6])),
    ownPid: 201,
    platform: 'linux',
    ...more,
  };
}

t.test('a machine with a bit of everything', async (t) => {
  t.strictSame(await lookAround(sources()), {
    apps: [
      {
        by: 'pm2', name: 'shop', comesBack: true, rssBytes: [51e6],
        notes: [
          'PM2 runs it, 1 process in fork mode.',
          "PM2 restarts it by itself, too (max_memory_restart): take that out of PM2's config, or two decide.",
        ],
      },
      { by: 'systemd', name: 'api.service', comesBack: true, notes: ['systemd runs it (Restart=always).'], rssBytes: [60e6] },
      { by: 'docker', name: 'web', comesBack: true, notes: ['A container of web:3.'], rssBytes: [81e6] },
      {
        by: 'port', name: 'queue', port: 5000, comesBack: true, rssBytes: [91e6],
        notes: [
          'Process 91, port 5000: node /srv/queue/index.js',
          'Started by /usr/bin/python3 /usr/bin/supervisord, which starts it again after a SIGTERM.',
        ],
      },
      { by: 'port', name: 'legacy', port: 8080, comesBack: false, notes: ['Process 95, port 8080: node legacy.js'], rssBytes: [95e6] },
    ],
    leftOut: [
      "PM2's pm2-logrotate: a module of PM2's own",
      'heapwarden.service: it is heapwarden',
      'pm2-root.service: it runs PM2, whose apps are in here',
      'container far: its processes cannot be seen from here',
      "process 99, port 6000: a PM2 of another user's, or with another PM2_HOME",
    ],
  });
});

t.test("systemd runs another user's PM2", async (t) => {
  const units = `${UNITS}\nRestart=on-failure\nMainPID=99\nId=pm2-deploy.service\n`;
  const { apps, leftOut } = await lookAround(sources({ systemctl: async () => units }));
  t.notOk(apps.some(({ name }) => name === 'pm2-deploy.service'), 'one limit for all of its apps');
  t.strictSame(leftOut.filter((line) => line.includes('PM2')), [
    "PM2's pm2-logrotate: a module of PM2's own",
    'pm2-root.service: it runs PM2, whose apps are in here',
    "pm2-deploy.service: it runs PM2: another user's, with another PM2_HOME, or without an app that runs",
  ]);
});

t.test('nobody answers', async (t) => {
  const down = async () => Promise.reject(new Error('Failed to connect to bus: No such file or directory\nmore'));
  const nobody = { pm2: { list: down, settings: down }, systemctl: down, docker: down, measure: down };
  const { apps, leftOut } = await lookAround(sources({ ...nobody, isNode: async () => false }));
  t.strictSame(apps, []);
  t.strictSame(leftOut, [
    "PM2: no daemon of this user's answers",
    'systemd: Failed to connect to bus: No such file or directory',
    'Docker: its socket does not answer this user',
  ]);
  const unmeasured = await lookAround(sources({ ...nobody }));
  t.ok(unmeasured.apps.length > 0);
  t.ok(unmeasured.apps.every(({ rssBytes }) => rssBytes.length === 0));
  t.match((await lookAround(sources({ platform: 'darwin' }))).leftOut.at(-1), 'processes that nothing manages: they are only looked for on Linux');
});

t.test('units', async (t) => {
  t.strictSame(parseUnits(''), []);
  t.strictSame(parseUnits('MainPID=5\nId=a.service\n'), [{ id: 'a.service', mainPid: 5, restart: 'no' }]);
  t.strictSame(parseUnits(UNITS).map(({ mainPid }) => mainPid), [50, 60, 70, 98]);
});

/** A server on a Unix socket, whose path must be short. */
async function engine(t: Test, answer: (path: string) => [status: number, body: string]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'hw-docker-'));
  const server = createServer((request, response) => {
    const [status, body] = answer(request.url ?? '');
    response.writeHead(status).end(body);
  });
  t.teardown(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });
  const path = join(folder, 'docker.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

t.test("Docker's socket", async (t) => {
  const docker = dockerAt(await engine(t, (path) => (path === '/containers/json' ? [200, '[{"Id":"a"}]'] : path === '/x' ? [200, 'no JSON'] : [404, '{}'])));
  t.strictSame(await docker('/containers/json'), [{ Id: 'a' }]);
  await t.rejects(docker('/x'));
  await t.rejects(docker('/y'), { message: 'HTTP 404' });
  await t.rejects(dockerAt('/nonexistent/docker.sock')('/containers/json'), { code: 'ENOENT' });
  t.equal(dockerSocket({ DOCKER_HOST: 'unix:///run/user/1/docker.sock' }, 'linux'), '/run/user/1/docker.sock');
  t.equal(dockerSocket({ DOCKER_HOST: 'tcp://elsewhere:2375' }, 'linux'), '/var/run/docker.sock');
  t.equal(dockerSocket({}, 'win32'), '\\\\.\\pipe\\docker_engine');
});
