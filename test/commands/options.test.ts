import t from 'tap';
import { USAGE, parseCommand } from '../../src/commands/options.js';

const HINT = '\nRun heapwarden --help for the commands and flags.';

t.test('help and version, wherever they stand', async (t) => {
  for (const argv of [['--help'], ['-h'], ['help'], ['serve', '--help'], ['restart', 'shop', '-h']]) {
    t.strictSame(parseCommand(argv), { name: 'help' }, argv.join(' '));
  }
  for (const argv of [['--version'], ['version']]) t.strictSame(parseCommand(argv), { name: 'version' });
});

t.test('serve', async (t) => {
  const defaults = {
    configFile: null,
    listen: { host: '127.0.0.1', port: 9973 },
    metricsPath: '/metrics',
    webConfigFile: null,
    allowedHosts: [],
    level: 'info',
    format: 'text',
  };
  t.strictSame(parseCommand(['serve']), { name: 'serve', options: defaults });
  const flags = [
    '--config.file=/etc/h.yml', '--web.listen-address=[::1]:80', '--web.telemetry-path=/a/b-c_d.e',
    '--web.config.file=web.yml', '--web.allowed-host=warden.example', '--web.allowed-host=box',
    '--log.level=debug', '--log.format=json',
  ];
  const options = {
    configFile: '/etc/h.yml',
    listen: { host: '::1', port: 80 },
    metricsPath: '/a/b-c_d.e',
    webConfigFile: 'web.yml',
    allowedHosts: ['warden.example', 'box'],
    level: 'debug',
    format: 'json',
  };
  t.strictSame(parseCommand(['serve', ...flags]), { name: 'serve', options });
  const apart = flags.flatMap((flag) => flag.split('='));
  t.strictSame(parseCommand(['serve', ...apart]), { name: 'serve', options }, 'with a space for the =');
});

t.test('relay', async (t) => {
  const options = { configFile: 'relay.yml', webConfigFile: null, allowedHosts: [], level: 'info', format: 'text' };
  t.strictSame(parseCommand(['relay']), { name: 'relay', options });
  const flags = ['--config.file=r.yml', '--log.level=debug', '--log.format=json'];
  t.strictSame(parseCommand(['relay', ...flags]), { name: 'relay', options: { ...options, configFile: 'r.yml', level: 'debug', format: 'json' } });
});

t.test('check', async (t) => {
  t.strictSame(parseCommand(['check']), { name: 'check', configFile: null, webConfigFile: null });
  t.strictSame(parseCommand(['check', '--config.file', 'x.yml', '--web.config.file=w.yml']), { name: 'check', configFile: 'x.yml', webConfigFile: 'w.yml' });
});

t.test('restart', async (t) => {
  const defaults = {
    app: 'shop',
    worker: null,
    reason: 'manual',
    force: false,
    dryRun: false,
    url: 'http://127.0.0.1:9973',
    tokenFile: null,
    configFile: null,
  };
  t.strictSame(parseCommand(['restart', 'shop']), { name: 'restart', options: defaults });
  const flags = [
    '--worker=1', '--reason=heap', '--force', '--dry-run', '--url=https://box:1/hw', '--token.file=t',
    '--config.file=c.yml',
  ];
  const options = {
    app: 'a shop',
    worker: '1',
    reason: 'heap',
    force: true,
    dryRun: true,
    url: 'https://box:1/hw',
    tokenFile: 't',
    configFile: 'c.yml',
  };
  t.strictSame(parseCommand(['restart', ...flags, 'a shop']), { name: 'restart', options });
  t.match(parseCommand(['restart', '--', '--odd']), { options: { app: '--odd' } });
  for (const reason of ['rss', 'heap', 'freeze', 'uptime', 'manual']) {
    t.match(parseCommand(['restart', 'shop', `--reason=${reason}`]), { options: { reason } });
  }
});

t.test('pause, resume, incidents', async (t) => {
  const client = { url: 'http://127.0.0.1:9973', tokenFile: null, configFile: null };
  t.strictSame(parseCommand(['pause', 'shop']), { name: 'pause', options: { ...client, app: 'shop', duration: null } });
  t.match(parseCommand(['pause', 'shop', '--for', '1h30m']), { options: { duration: '1h30m' } });
  t.strictSame(parseCommand(['resume', 'shop', '--url=http://box:1', '--token.file=t', '--config.file=c']), {
    name: 'resume',
    options: { app: 'shop', url: 'http://box:1', tokenFile: 't', configFile: 'c' },
  });
  const all = { ...client, app: null, limit: 20, json: false };
  t.strictSame(parseCommand(['incidents']), { name: 'incidents', options: all });
  const some = { ...all, app: 'shop', limit: 1000, json: true };
  t.strictSame(parseCommand(['incidents', 'shop', '--limit=1000', '--json']), { name: 'incidents', options: some });
});

t.test('doctor', async (t) => {
  const options = { url: 'http://127.0.0.1:9973', configFile: null, prometheusUrl: null, alertmanagerUrl: null, json: false };
  t.strictSame(parseCommand(['doctor']), { name: 'doctor', options });
  const flags = ['--url=http://box:1', '--config.file=c.yml', '--prometheus.url=http://p', '--alertmanager.url=http://a', '--json'];
  t.strictSame(parseCommand(['doctor', ...flags]), {
    name: 'doctor',
    options: { url: 'http://box:1', configFile: 'c.yml', prometheusUrl: 'http://p', alertmanagerUrl: 'http://a', json: true },
  });
});

t.test('advise', async (t) => {
  const all = { url: 'http://127.0.0.1:9973', tokenFile: null, configFile: null, app: null, json: false };
  t.strictSame(parseCommand(['advise']), { name: 'advise', options: all });
  t.strictSame(parseCommand(['advise', 'shop', '--json', '--url=http://box:1']), {
    name: 'advise',
    options: { ...all, app: 'shop', json: true, url: 'http://box:1' },
  });
  t.throws(() => parseCommand(['advise', 'shop', 'api']), { code: 'USAGE', message: /^what is "api" for\?/ });
});

t.test('monitor, status and apps', async (t) => {
  const client = { url: 'http://127.0.0.1:9973', tokenFile: null, configFile: null };
  t.strictSame(parseCommand(['monitor']), { name: 'monitor', options: { ...client, once: false, json: false } });
  t.strictSame(parseCommand(['monitor', '--once', '--json', '--url=http://box:1']), {
    name: 'monitor',
    options: { ...client, url: 'http://box:1', once: true, json: true },
  });
  for (const name of ['status', 'apps'] as const) {
    t.strictSame(parseCommand([name]), { name, options: { ...client, json: false } });
    t.strictSame(parseCommand([name, '--json']), { name, options: { ...client, json: true } });
    t.throws(() => parseCommand([name, 'shop']), { code: 'USAGE', message: /^what is "shop" for/ });
  }
});

t.test('what makes no sense', async (t) => {
  const cases: [string[], string | RegExp][] = [
    [[], 'say what to do'],
    [['stop'], 'there is no command "stop"'],
    [['--force'], 'there is no command "--force"'],
    [['serve', 'shop'], 'what is "shop" for?'],
    [['check', 'heapwarden.yml'], 'what is "heapwarden.yml" for?'],
    [['serve', '--config'], /^Unknown option '--config'/],
    [['check', '--log.level=info'], /^Unknown option '--log.level'/],
    [['serve', '--config.file'], /^Option '--config.file <value>' argument missing/],
    [['serve', '--web.listen-address=9973'], '--web.listen-address=9973 is not HOST:PORT'],
    [['serve', '--web.telemetry-path=metrics'], '--web.telemetry-path=metrics is not a path such as /metrics'],
    [['serve', '--web.telemetry-path=/'], '--web.telemetry-path=/ is not a path such as /metrics'],
    [['serve', '--web.telemetry-path=/:app'], '--web.telemetry-path=/:app is not a path such as /metrics'],
    [
      ['serve', '--web.telemetry-path=/-/healthy'],
      "--web.telemetry-path=/-/healthy is taken: what begins with /-/ or /api/ is heapwarden's own",
    ],
    [
      ['serve', '--web.telemetry-path=/api/v1/apps'],
      "--web.telemetry-path=/api/v1/apps is taken: what begins with /-/ or /api/ is heapwarden's own",
    ],
    [['serve', '--log.level=loud'], '--log.level=loud is none of debug, info, warn, error'],
    [['serve', '--log.format=xml'], '--log.format=xml is none of text, logfmt, json'],
    [['restart'], 'restart needs the name of an app'],
    [['pause'], 'pause needs the name of an app'],
    [['pause', 'shop', '2h'], 'what is "2h" for?'],
    [['pause', 'shop', '--for=2'], '--for=2 is not a duration such as 2h or 1h30m'],
    [['pause', 'shop', '--for=0s'], '--for=0s is not a duration such as 2h or 1h30m'],
    [['resume'], 'resume needs the name of an app'],
    [['incidents', '--limit=0'], '--limit=0 is not a number from 1 to 1000'],
    [['incidents', '--limit=all'], '--limit=all is not a number from 1 to 1000'],
    [['restart', 'shop', 'api'], 'what is "api" for?'],
    [['restart', 'shop', '--force=yes'], /^Option '--force' does not take an argument/],
    [['restart', 'shop', '--reason=boredom'], '--reason=boredom is none of rss, heap, freeze, uptime, manual'],
    [['doctor', 'shop'], 'what is "shop" for?'],
    [['doctor', '--prometheus.url=p:9090'], '--prometheus.url=p:9090 is not a URL such as http://127.0.0.1:9973'],
    [['restart', 'shop', '--url=localhost:9973'], '--url=localhost:9973 is not a URL such as http://127.0.0.1:9973'],
    [['status', '--url=http://ada:100%@box/'], 'the user and password in --url must be percent-encoded (% is %25)'],
    [['doctor', '--url=http://a%zz:b@box/'], 'the user and password in --url must be percent-encoded (% is %25)'],
    [['restart', 'shop', '--url=http://'], '--url=http:// is not a URL such as http://127.0.0.1:9973'],
    [['restart', 'shop', '--url=http://eve:s@cret@host:99999'], '--url=…@host:99999 is not a URL such as http://127.0.0.1:9973'],
  ];
  for (const [argv, problem] of cases) {
    const message = typeof problem === 'string' ? `${problem}${HINT}` : problem;
    t.throws(() => parseCommand(argv), { code: 'USAGE', message }, argv.join(' '));
  }
});

t.test('the help names every flag there is', async (t) => {
  for (const flag of [
    '--config.file', '--web.listen-address', '--web.telemetry-path', '--log.level', '--log.format', '--worker',
    '--reason', '--force', '--dry-run', '--url', '--token.file', '--app', '--prometheus.url', '--alertmanager.url', '--json', '--once',
  ]) {
    t.match(USAGE, new RegExp(`^  ${flag.replaceAll('.', '\\.')}[= ]`, 'm'));
  }
  t.ok(USAGE.split('\n').every((line) => line.length <= 100), 'in a terminal that is not too narrow');
});

t.test('init', async (t) => {
  t.strictSame(parseCommand(['init']), { name: 'init', options: { configFile: null, force: false } });
  t.strictSame(parseCommand(['init', '--config.file=c.yml', '--force']), { name: 'init', options: { configFile: 'c.yml', force: true } });
  t.throws(() => parseCommand(['init', 'shop']), { code: 'USAGE', message: /^what is "shop" for/ });
});

t.test('attach', async (t) => {
  const options = { pid: 4711, app: null, configFile: null };
  t.strictSame(parseCommand(['attach', '4711']), { name: 'attach', options });
  t.strictSame(parseCommand(['attach', '4711', '--app=shop', '--config.file=c.yml']), {
    name: 'attach',
    options: { ...options, app: 'shop', configFile: 'c.yml' },
  });
  t.throws(() => parseCommand(['attach']), { code: 'USAGE', message: /^attach needs the pid of a process/ });
  for (const pid of ['0', 'shop', '1.5', '0x10', '12345678901']) {
    t.throws(() => parseCommand(['attach', pid]), { code: 'USAGE', message: new RegExp(`^"${pid}" is not the pid`) });
  }
});
