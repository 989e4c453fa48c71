import t from 'tap';
import { nodeScript, shellText, wrapperOf } from '../../../src/commands/doctor/command.js';
import type { Ecosystem } from '../../../src/commands/doctor/ecosystem.js';
import type { Pm2App } from '../../../src/commands/doctor/pm2-app.js';
import { judgeWrappers } from '../../../src/commands/doctor/wrappers.js';
import { entry, running, says, tableOf, written } from './support.js';

const { places, app } = written(`apps:
  - { name: shop, supervisor: { pm2: the shop } }
  - name: api
    supervisor:
      child:
        command: [npm, run, serve]
  - { name: alone, memory: process, supervisor: { child: { command: [yarn, start] } } }
  - { name: ported, supervisor: { child: { command: [sh, run.sh], listen: "127.0.0.1:3000" } } }
  - { name: unit, supervisor: { systemd: shop@*.service } }
  - { name: unit alone, memory: process, supervisor: { systemd: { unit: shop, user: true } } }
  - { name: boxed, supervisor: { docker: boxed } }
  - { name: signalled, supervisor: { external: { match: ^npm s, restart: { signal: SIGTERM } } } }
  - { name: commanded, supervisor: { external: { match: ^npm c, restart: [sv, restart, shop] } } }
  - { name: commanded alone, memory: process, supervisor: { external: { match: ^npm a, restart: [sv, restart, shop] } } }
  - { name: direct, supervisor: { child: { command: [node, app.js] } } }
`);
const inPm2 = (ecosystem: Ecosystem | null): Pm2App => ({
  app: app('shop'), name: 'the shop', pids: [10], maxMemoryRestart: null, cronRestart: null, ecosystem,
});
const npm = entry(10, 1, 'npm start', { rssBytes: 60e6 });
const sh = entry(11, 10, 'sh -c node,server.js', { rssBytes: 1e6, isNode: false });
const tree = tableOf(npm, sh, entry(12, 11, 'node --require ./x.cjs /srv/shop/server.js --fast'), entry(13, 12, 'node worker.js'));

t.test('npm between PM2 and the app', async (t) => {
  const sentence =
    'warning  app "shop": npm and sh (process 10, 61 MB in all) stand between PM2 and the app ' +
    '(process 12, node --require ./x.cjs /srv/shop/server.js --fast): the memory in "pm2 list" and max_memory_restart are ' +
    'npm\'s, and so are the exit code and "ready" message that PM2 waits for [wrapper]';
  const shop = [running(app('shop'), tree, 10)];
  says(t, judgeWrappers(shop, { value: [inPm2(null)] }, places), [
    sentence,
    "         → pm2 delete 'the shop' && pm2 start server.js --name 'the shop' --cwd /srv/shop " +
      "--node-args '--require ./x.cjs' -- --fast",
  ]);
  const keys = 'script: "server.js", node_args: "--require ./x.cjs", args: "--fast"';
  const file = (text: string) => ({ path: '/srv/shop/ecosystem.config.js', text });
  says(t, judgeWrappers(shop, { value: [inPm2(file('module.exports = {\n  script: "npm",\n'))] }, places), [
    sentence,
    `         → /srv/shop/ecosystem.config.js:2: ${keys}`,
  ]);
  const two = file('script: "npm"\nscript: "npm"\n');
  says(t, judgeWrappers(shop, { value: [inPm2(two)] }, places), [sentence, `         → ${two.path}: ${keys}`], 'which line it is, is not known');
});

t.test('between heapwarden and the app', async (t) => {
  const npmAlone = tableOf(npm, entry(12, 10, 'node server.js'));
  says(t, judgeWrappers([running(app('api'), npmAlone, 10)], { value: [] }, places), [
    'warning  app "api": npm (process 10, 60 MB in all) stands between heapwarden and the app (process 12, node server.js): ' +
      "the stop signal reaches the app late unless npm passes it on, and the exit code is npm's [wrapper]",
    '         → /srv/heapwarden.yml:6: command: [node, server.js]',
  ]);
  const yarn = tableOf(entry(20, 1, 'node /usr/bin/yarn.js start'), entry(21, 20, 'node "server.js'));
  says(t, judgeWrappers([running(app('alone'), yarn, 20)], { value: [] }, places), [
    'problem  app "alone": yarn (process 20, 30 MB in all) stands between heapwarden and the app (process 21, node \'"server.js\'): ' +
      'with memory: process, limits.rss is held against yarn and never against the app [wrapper]',
    '         → /srv/heapwarden.yml:7: command: [node, "\\"server.js"]',
  ]);
  const shell = tableOf(entry(30, 1, '/bin/bash run.sh', { isNode: false }), entry(31, 30, 'node --inspect=0 ./app.js 8080 true'));
  says(t, judgeWrappers([running(app('ported'), shell, 30)], { value: [] }, places), [
    'problem  app "ported": bash (process 30, 30 MB in all) stands between heapwarden and the app (process 31, node --inspect=0 ./app.js 8080 true): ' +
      'the shared port (listen) needs a command that starts Node itself [wrapper]',
    '         → /srv/heapwarden.yml:8: command: [node, --inspect=0, ./app.js, "8080", "true"]',
  ]);
});

t.test('between others and the app', async (t) => {
  const npmAlone = tableOf(npm, entry(12, 10, 'node server.js --port 80'));
  const saysOf = (name: string, lines: string[]) =>
    says(t, judgeWrappers([running(app(name), npmAlone, 10)], { value: [] }, places), lines, name);
  const between = (starter: string) => `npm (process 10, 60 MB in all) stands between ${starter} and the app (process 12, node server.js --port 80)`;
  const alone = 'with memory: process, limits.rss is held against npm and never against the app';

  saysOf('unit', [
    `warning  app "unit": ${between('systemd')}: the exit code that systemd sees is npm's [wrapper]`,
    '         → systemctl edit --full shop@.service   (ExecStart=node server.js --port 80, WorkingDirectory=/srv/shop)',
  ]);
  saysOf('unit alone', [
    `problem  app "unit alone": ${between('systemd')}: ${alone} [wrapper]`,
    '         → systemctl --user edit --full shop.service   (ExecStart=node server.js --port 80, WorkingDirectory=/srv/shop)',
  ]);
  saysOf('boxed', [
    `warning  app "boxed": ${between('Docker')}: the stop signal reaches the app only if npm passes it on, and the exit code is npm's [wrapper]`,
    '         → in its compose file: command: [node, server.js, --port, "80"]   (or in the image: CMD ["node","server.js","--port","80"])',
  ]);
  saysOf('signalled', [`warning  app "signalled": ${between('whoever starts it')}: the stop signal reaches the app late unless npm passes it on [wrapper]`]);
  saysOf('commanded', []);
  saysOf('commanded alone', [`problem  app "commanded alone": ${between('whoever starts it')}: ${alone} [wrapper]`]);
});

t.test('before anything runs, the command says it; where the processes are not known, nothing does', async (t) => {
  says(t, judgeWrappers([{ app: app('api'), workers: [], why: null }, { app: app('direct'), workers: [], why: null }], { value: [] }, places), [
    'warning  app "api": its command starts npm, which will stand between heapwarden and the app [wrapper]',
    '         → /srv/heapwarden.yml:6: command: [node, …]   (the script that npm starts)',
  ]);
  says(t, judgeWrappers([{ app: app('api'), workers: [], why: 'nobody knows' }], { value: [] }, places), [
    'not checked: wrappers around app "api": nobody knows',
  ]);
});

t.test('no wrapper', async (t) => {
  const cases = {
    'the app itself, with a shell below it': tableOf(entry(10, 1, 'node server.js'), entry(11, 10, 'sh -c node'), entry(12, 11, 'node x.js')),
    'a shell with no Node process below it': tableOf(entry(10, 1, 'sh run.sh', { isNode: false }), entry(11, 10, 'python x.py', { isNode: false })),
    'npm that has only begun': tableOf(npm),
  };
  for (const [name, table] of Object.entries(cases)) says(t, judgeWrappers([running(app('shop'), table, 10)], { value: [] }, places), [], name);
});

t.test('what a command line starts', async (t) => {
  const cases: [string, string | null][] = [
    ['npm start', 'npm'], ['npm run start:prod', 'npm'], ['node /usr/lib/node_modules/npm/bin/npm-cli.js start', 'npm'],
    ['/usr/bin/npx serve', 'npx'], ['node /usr/bin/npx-cli.js x', 'npx'], ['yarn start', 'yarn'], ['node --no-warnings /opt/yarn.js', 'yarn'],
    ['node /usr/bin/pnpm.cjs start', 'pnpm'],
    ['node .yarn/releases/yarn-4.1.0.cjs start', 'yarn'], ['node yarn-lock.js', null], ['sh -c x', 'sh'], ['-bash', 'bash'], ['/bin/dash x', 'dash'],
    ['node server.js', null], ['node npm.txt', null], ['npmish start', null], ['node -e npm', null], ['', null], ['nodemon x.js', null],
  ];
  for (const [line, name] of cases) t.equal(wrapperOf(line.split(' ')), name, line);
  t.strictSame(nodeScript(['/usr/bin/node', '-r', 'a', '--inspect', '--import=b', 'x.js', '-r', 'y']), {
    options: ['-r', 'a', '--inspect', '--import=b'], script: 'x.js', args: ['-r', 'y'],
  });
  for (const words of [['node'], ['node', '-e', 'x'], ['node', '-r', 'a'], ['deno', 'x.js']]) t.equal(nodeScript(words), null);
  t.equal(shellText(['a', 'b c', "it's", '']), String.raw`a 'b c' 'it'\''s' ''`);
});
