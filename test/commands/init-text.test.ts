import t from 'tap';
import { parseConfig } from '../../src/config/parse.js';
import { configText, suggestLimits, uniqueNames, type FoundApp, type TextFacts } from '../../src/commands/init-text.js';
import { HOST } from '../config/report-of.js';

const GB = 1e9;
const app = (more: Partial<FoundApp>): FoundApp => ({ by: 'pm2', name: 'shop', rssBytes: [200e6], comesBack: true, notes: [], ...more });
const facts = (more: Partial<TextFacts>): TextFacts => ({ apps: [], leftOut: [], hostname: 'box', date: '2026-11-21', totalBytes: 8 * GB, ...more });
const parse = (text: string) => parseConfig(text, { ...HOST, file: 'heapwarden.yml' });

t.test('limits from what an app takes now', async (t) => {
  t.strictSame(suggestLimits(200e6, 8 * GB), { warning: 300e6, restart: 400e6 });
  t.strictSame(suggestLimits(40e6, 8 * GB), { warning: 140e6, restart: 250e6 }, 'a small one has room');
  t.strictSame(suggestLimits(700e6, GB), null, 'close to all there is');
  t.strictSame(suggestLimits(600e6, GB), { warning: 700e6, restart: 800e6 }, 'not above 80 % of the machine');
  t.strictSame(suggestLimits(0, 8 * GB)!.restart, 250e6);
});

t.test('the whole file', async (t) => {
  const text = configText(
    facts({
      apps: [
        app({ rssBytes: [200e6, 150e6], notes: ['PM2 runs it, 2 processes in cluster mode.'] }),
        app({ by: 'systemd', name: 'api.service', rssBytes: [30e6], notes: ['systemd runs it (Restart=always).'] }),
        app({ by: 'docker', name: 'web', rssBytes: [7 * GB] }),
        app({ by: 'port', name: 'legacy', port: 8080, rssBytes: [], comesBack: false, notes: ['Process 4711, port 8080: node legacy.js'] }),
      ],
      leftOut: ['pm2-root.service: it runs PM2, whose apps are in here'],
    }),
  );
  t.equal(
    text,
    `# Written by "heapwarden init" on box, 2026-11-21.
# The limits are guesses from what each app takes now: better ones are above what it takes at its busiest.
# After a change: heapwarden check
#
# Not in here:
#   - pm2-root.service: it runs PM2, whose apps are in here

# embedded: heapwarden restarts by itself. alertmanager: only where Alertmanager says so. both: see README.
trigger: embedded

apps:
  # PM2 runs it, 2 processes in cluster mode.
  - name: shop
    supervisor: { pm2: shop }
    # The largest of its 2 processes takes 200 MB now; restart at twice that, warning half way.
    limits: { rss: { warning: 300MB, restart: 400MB, for: 30s } }

  # systemd runs it (Restart=always).
  - name: api
    supervisor: { systemd: api.service }
    # It takes 30 MB now; restart at 256 MB, the least that leaves room to work, warning half way.
    limits: { rss: { warning: 140MB, restart: 250MB, for: 30s } }

  - name: web
    supervisor: { docker: web }
    # It takes 7 GB of this machine's 8 GB already: no limit is suggested.

  # Process 4711, port 8080: node legacy.js
  - name: legacy
    supervisor: { external: { port: 8080, restart: { signal: SIGTERM } } }
    # Its memory could not be measured, so it has no limits yet:
    # limits: { rss: { warning: 400MB, restart: 512MB } }
    # Nothing is known to start it again once it has been stopped, so heapwarden only says what it would do. Put the
    # command that restarts it in the place of the signal, as in restart: [supervisorctl, restart, shop], and take
    # the next line out.
    dry_run: true
`,
  );
  t.match(parse(text).apps, [
    { name: 'shop', supervisor: { pm2: 'shop' }, limits: { rss: { warning: 300e6, restart: 400e6 } } },
    { name: 'api', supervisor: { systemd: 'api.service' } },
    { name: 'web', supervisor: { docker: 'web' }, limits: {} },
    { name: 'legacy', supervisor: { external: { port: 8080 } }, dry_run: true },
  ]);
});

t.test('nothing found', async (t) => {
  const text = configText(facts({}));
  t.strictSame(parse(text).apps, []);
  const example = text.replace(/^apps: \[\]\n/m, '').replaceAll(/^# ((?:apps:|  ).*)$/gm, '$1');
  t.match(parse(example).apps, [{ name: 'shop', supervisor: { child: { command: ['node', 'server.js'] } } }], 'the example is valid');
});

t.test('names that YAML would read as something else, or that say too much', async (t) => {
  for (const name of ['true', 'No', '42', '1e3', 'a: b', '# x', '"', "it's", 'shop api', '{}', '*a', 'ü', '~', 'x\ny: z', 'a\u2028b', '- x', '0x10']) {
    const text = configText(facts({ apps: [app({ name, notes: [`called ${name}`] })], leftOut: [name] }));
    const [parsed] = parse(text).apps;
    t.equal(parsed?.supervisor.pm2, name, encodeURIComponent(name));
  }
});

t.test('two of one name', async (t) => {
  const apps = [app({}), app({ by: 'docker' }), app({ by: 'docker' }), app({ by: 'systemd', name: 'shop.service' }), app({ by: 'port', name: 'shop-2' })];
  t.strictSame(uniqueNames(apps), ['shop', 'shop-docker', 'shop-2', 'shop-systemd', 'shop-2-port']);
  t.equal(parse(configText(facts({ apps: [app({ name: 'shop' }), app({ by: 'docker', name: 'shop' })] }))).apps.length, 2);
});
