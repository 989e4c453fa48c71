import { execFileSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { isOwn, parseProfile, rankSuspects, type CallFrame, type Place, type ProfileNode } from '../../../src/act/evidence/suspects.js';
import { suspectsText, suspicion } from '../../../src/act/evidence/suspects-text.js';
import { sourceLocator } from '../../../src/act/evidence/source-maps.js';

const MB = 1e6;
const node = (functionName: string, url: string, selfSize: number, ...children: ProfileNode[]): ProfileNode => ({
  callFrame: { functionName, url, lineNumber: url === '' ? -1 : 9, columnNumber: url === '' ? -1 : 4 },
  selfSize,
  children,
});
const locate = await sourceLocator([]);
const rank = (...children: ProfileNode[]) => rankSuspects(node('(root)', '', 0, ...children), locate);
const APP = '/app/cache.js';
const LRU = '/app/node_modules/lru/index.js';

t.test('self sizes are summed over call paths, and a built-in counts for its caller', async (t) => {
  const { total, suspects } = rank(
    node('first', APP, 1 * MB, node('remember', '/app/store.js', 3 * MB, node('set', '', 40 * MB))),
    node('second', 'file:///app/second.mjs', 0, node('remember', '/app/store.js', 7 * MB)),
    node('(V8 API)', '', 2 * MB),
  );
  t.equal(total, 53 * MB);
  t.strictSame(suspects.map(({ name, file, bytes }) => [name, file, bytes / MB]), [
    ['remember', '/app/store.js', 50],
    ['(V8 API)', null, 2],
    ['first', APP, 1],
  ]);
  t.match(suspects[0], { line: 10, column: 5, share: 50 / 53, caller: null });
});

t.test("beside a library's function, and one without a name, stands the app's own that called it most", async (t) => {
  const { suspects } = rank(
    node('store', APP, 0, node('add', LRU, 4 * MB, node('link', LRU, 6 * MB))),
    node('restore', APP, 0, node('add', LRU, 1 * MB)),
    node('load', APP, 0, node('', APP, 3 * MB, node('', APP, 0, node('from', 'node:buffer', 2 * MB)))),
    node('processTimers', 'node:internal/timers', 0, node('', '/app/timer.js', MB / 2)),
  );
  t.strictSame(suspects.map(({ name, caller }) => [name, caller?.name ?? null]), [
    ['link', 'store'],
    ['add', 'store'],
    ['(anonymous)', 'load'],
    ['from', 'load'],
    ['(anonymous)', null],
  ]);
});

t.test('what is the own code of an app', async (t) => {
  for (const file of ['/app/x.js', 'C:\\app\\x.js', 'webpack://app/./src/x.ts', '/app/my_node_modules/x.js']) t.ok(isOwn(file), file);
  for (const file of [null, 'node:fs', 'node:internal/timers', '/app/node_modules/x/y.js', 'C:\\app\\node_modules\\x.js', 'webpack://app/./node_modules/x.js']) {
    t.notOk(isOwn(file), String(file));
  }
});

t.test('a profile is read with caution', async (t) => {
  const good = node('(root)', '', 0, node('f', APP, 1));
  t.strictSame(parseProfile(JSON.stringify({ head: good, samples: [] })), good);
  const bad = { ...good, children: [{ ...good, selfSize: 'lots' }] };
  for (const text of ['', 'null', '{}', '[]', JSON.stringify({ head: bad }), JSON.stringify({ head: { ...good, children: null } })]) {
    t.equal(parseProfile(text), null, text.slice(0, 40));
  }
  let deep = node('leaf', APP, 1);
  for (let i = 0; i < 50_000; i++) deep = node('f', APP, 0, deep);
  t.equal(rank(deep).total, 1, 'a deep one does no harm');
});

const occasion = {
  app: 'shop', worker: '0', sinceMs: Date.UTC(2026, 0, 2, 3, 4, 5), nowMs: Date.UTC(2026, 0, 2, 3, 6, 5),
  before: { heap: 50 * MB, external: 2 * MB, rss: 110 * MB }, after: { heap: 150 * MB, external: 3 * MB, rss: 215 * MB },
};

t.test('suspects.txt', async (t) => {
  const suspects = rank(node('store', APP, 2 * MB, node('add', LRU, 88 * MB)), ...Array.from({ length: 25 }, (_, i) => node(`f${i}`, '/app/small.js', 1000)));
  const text = suspectsText(suspects, occasion);
  t.match(text, /^What shop\/0 allocated from 2026-01-02T03:04:05\.000Z on and still held 2m later,\n/);
  t.match(text, 'heap      50 MB then, 150 MB at the restart\n');
  t.match(text, '   1.    88 MB   98%  add (/app/node_modules/lru/index.js:10:5)\n                      called by store (/app/cache.js:10:5)\n');
  t.match(text, '   2.     2 MB    2%  store (/app/cache.js:10:5)\n');
  t.match(text, /\n {6} {4}7 kB {4}0% {2}in 7 more\n$/);
  t.equal(
    suspicion(suspects),
    '98% of the 90 MB that it allocated since its warning and still held are from add (/app/node_modules/lru/index.js:10:5), called by store (/app/cache.js:10:5)',
  );
});

t.test('it says where it knows too little', async (t) => {
  const few = rank(node('store', APP, 1 * MB));
  t.equal(suspicion(few), null);
  t.match(suspectsText(few, occasion), 'too little for the order below to mean much');
  t.match(suspectsText(rank(), occasion), 'No sample is alive.');
  t.equal(suspicion(rank()), null);
  const buffers = { ...occasion, after: { ...occasion.after, external: 402 * MB } };
  t.match(suspectsText(few, buffers), 'Outside the heap, which the profiler does not see, 400 MB came to it');
  const many = rank(...Array.from({ length: 10 }, (_, i) => node(`f${i}`, `/app/${i}.js`, 10 * MB)));
  t.equal(suspicion(many), null, 'nobody stands out');
});

t.test('through source maps, told or found in the file', async (t) => {
  // Of `function a() {}` at line 3, column 2 of src.ts, made line 1 of out.js: a segment [0, 0, 2, 2].
  const map = JSON.stringify({ version: 3, sources: ['../src/src.ts'], names: [], mappings: 'AAEE' });
  const inline = `data:application/json;base64,${Buffer.from(map).toString('base64')}`;
  const dir = t.testdir({
    dist: {
      'out.js': 'function a() {}\n//# sourceMappingURL=out.js.map\n', 'out.js.map': map,
      'inline.js': `function a() {}\n//# sourceMappingURL=${inline}\n`,
      'told.js': 'function a() {}\n', 'plain.js': 'function a() {}\n',
      'bad.js': '//# sourceMappingURL=bad.map\n', 'bad.map': '{"version":3', 'gone.js': '//# sourceMappingURL=none.map\n',
    },
  });
  const at = (name: string): CallFrame => ({ functionName: 'a', url: `${dir}/dist/${name}`, lineNumber: 0, columnNumber: 0 });
  const names = ['out.js', 'inline.js', 'told.js', 'plain.js', 'bad.js', 'gone.js', 'missing.js'];
  const find = await sourceLocator(names.map(at), { mapUrls: new Map([[at('told.js').url, 'out.js.map']]) });
  for (const name of ['out.js', 'inline.js', 'told.js']) {
    t.strictSame(find(at(name)), { name: 'a', file: `${dir}/src/src.ts`, line: 3, column: 3 }, name);
  }
  for (const name of ['plain.js', 'bad.js', 'gone.js', 'missing.js']) {
    t.strictSame(find(at(name)), { name: 'a', file: `${dir}/dist/${name}`, line: 1, column: 1 }, name);
  }
});

t.test('what an app calls its functions and files cannot write a line, nor move a cursor', async (t) => {
  const evil = node('f\n12:00:00 INFO  all is well', '/app/node_modules/\x1b[2J.js', 8 * MB);
  const ranked = rank(node('g\r', '/app/\x9b.js', 0, evil));
  t.equal(
    suspicion(ranked),
    '100% of the 8 MB that it allocated since its warning and still held are from ' +
      'f?12:00:00 INFO  all is well (/app/node_modules/?[2J.js:10:5), called by g? (/app/?.js:10:5)',
  );
  t.notMatch(suspectsText(ranked, occasion).replaceAll('\n', ''), /\p{Cc}/u);
  const map = JSON.stringify({ version: 3, sources: ['\x1b[2J.ts'], names: [], mappings: 'AAAA' });
  const dir = t.testdir({ 'out.js': '//# sourceMappingURL=out.js.map\n', 'out.js.map': map });
  const frame = { functionName: 'f', url: `${dir}/out.js`, lineNumber: 0, columnNumber: 0 };
  t.equal((await sourceLocator([frame]))(frame).file, `${dir}/?[2J.ts`);
});

t.test('big source maps cost little memory, however many', async (t) => {
  const program = fileURLToPath(new URL('big-maps.ts', import.meta.url));
  // Node's own decoder takes 112 MB for each of them.
  const output = execFileSync(process.execPath, ['--import=tsx', '--max-old-space-size=80', program, t.testdir()], { encoding: 'utf8' });
  const places = JSON.parse(output) as Place[];
  t.equal(places.length, 6);
  for (const { file, line, column } of places) t.match({ file, line, column }, { file: /src\.ts$/, line: 2, column: 900_001 });
});

t.test('a source map that is too large is not read, and all of them together are not', async (t) => {
  const map = `{"version":3,"sources":["src.ts"],"mappings":"AAAA"}`;
  const names = Array.from({ length: 5 }, (_, i) => String(i));
  const dir = t.testdir(Object.fromEntries(names.flatMap((name) => [[`${name}.js`, `//# sourceMappingURL=${name}.map\n`], [`${name}.map`, map]])));
  const frames = names.map((name) => ({ functionName: 'f', url: `${dir}/${name}.js`, lineNumber: 0, columnNumber: 0 }));
  const found = async (sizes: number[]) => {
    const notes: string[] = [];
    // Sparse, and zeros: what is read of them is no JSON, but counts.
    for (const [i, size] of sizes.entries()) truncateSync(`${dir}/${i}.map`, size);
    const locate = await sourceLocator(frames, { tell: (note) => notes.push(note) });
    return { mapped: frames.filter((frame) => locate(frame).file === `${dir}/src.ts`).map(({ url }) => url), notes };
  };
  const urls = frames.map(({ url }) => url);
  t.strictSame(await found([]), { mapped: urls, notes: [] });
  const note = (which: string) => [`positions in ${which} are those of the script that ran: it, or its source map, was too large to be read`];
  t.strictSame(await found([16e6 + 1]), { mapped: urls.slice(1), notes: note(urls[0]!) });
  t.strictSame(await found([11e6, 11e6]), { mapped: urls.slice(2), notes: [] });
  t.strictSame(await found([11e6, 11e6, 11e6]), { mapped: urls.slice(3), notes: note(urls[2]!) }, 'the small ones behind it have room');
  t.strictSame(await found([16e6, 16e6 - 60]), { mapped: [], notes: note(`${urls[2]} and 2 more`) });
});

t.test('nor is one that would become millions of values', async (t) => {
  const map = (extra: string) => `{"version":3,"sources":["src.ts"],"x":[{}${extra}],"mappings":"AAAA"}`;
  const dir = t.testdir({ 'bomb.map': map(',{}'.repeat(260_000)), 'whole.map': map(',{}'.repeat(240_000)), 'long.map': map(`,"${'{,'.repeat(600_000)}"`) });
  const at = (name: string): CallFrame => ({ functionName: 'f', url: `${dir}/${name}.js`, lineNumber: 0, columnNumber: 0 });
  const names = ['bomb', 'whole', 'long'];
  const locate = await sourceLocator(names.map(at), { mapUrls: new Map(names.map((name) => [at(name).url, `${name}.map`])) });
  const found = names.filter((name) => locate(at(name)).file === `${dir}/src.ts`);
  t.strictSame(found, ['whole', 'long'], 'what stands in a string is no value');
});
