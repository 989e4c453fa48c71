import t from 'tap';
import { diagnosticReport, withoutSecrets } from '../../src/agent/report.cjs';
import { hidden } from '../../src/agent/secrets.cjs';

t.test('a command line keeps its options and loses its secrets', async (t) => {
  const cases: [string[], string[]][] = [
    [['node', '--max-old-space-size=512', 'app.js', '--port', '3000'], ['node', '--max-old-space-size=512', 'app.js', '--port', '3000']],
    [['app.js', '--token=abc', '--db-password', 'hunter2', '-v'], ['app.js', '--token=[hidden]', '--db-password', '[hidden]', '-v']],
    [['--api-key=x=y', 'API_KEY=z', '--secret', '--verbose'], ['--api-key=[hidden]', 'API_KEY=[hidden]', '--secret', '--verbose']],
    [['postgres://user:pw@db/shop', '--url=https://me:pw@host/x?y'], ['postgres://[hidden]@db/shop', '--url=https://[hidden]@host/x?y']],
    [['--inspect=127.0.0.1:9229', 'https://host/a@b'], ['--inspect=127.0.0.1:9229', 'https://host/a@b']],
  ];
  for (const [args, expected] of cases) t.strictSame(hidden(args), expected, args.join(' '));
});

t.test('a report keeps what it is known to hold, in its worker threads too', async (t) => {
  const secrets = { environmentVariables: { TOKEN: 'x' }, futureSection: { TOKEN: 'x' } };
  const header = { nodejsVersion: 'v26', commandLine: ['node', '--token=x'], networkInterfaces: [{ address: 'x' }] };
  const thread = { header: { threadId: 1, networkInterfaces: [] }, javascriptHeap: { usedMemory: 2 }, ...secrets, workers: [] };
  t.strictSame(withoutSecrets({ header, javascriptHeap: { usedMemory: 1 }, ...secrets, workers: [thread] }), {
    header: { nodejsVersion: 'v26', commandLine: ['node', '--token=[hidden]'] },
    javascriptHeap: { usedMemory: 1 },
    workers: [{ header: { threadId: 1 }, javascriptHeap: { usedMemory: 2 }, workers: [] }],
  });
});

t.test('a real one', async (t) => {
  process.env['HEAPWARDEN_TEST_SECRET'] = 'never to be told';
  t.teardown(() => delete process.env['HEAPWARDEN_TEST_SECRET']);
  const report = diagnosticReport({ whyNotAsked: () => null });
  t.match(report, { header: { processId: process.pid }, javascriptHeap: {}, libuv: [] });
  t.notMatch(JSON.stringify(report), /never to be told/);
});
