#!/usr/bin/env node
import process from 'node:process';

const OLDEST_NODE = 20;

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  console.error(`heapwarden needs Node.js ${OLDEST_NODE} or newer, and this is ${process.version}. The agent alone also runs on Node.js 18.`);
  process.exit(2);
}
// Not static imports: an older Node would fail on the rest before it could be told.
const { limitOwnHeap } = await import('./commands/own-heap.js');
limitOwnHeap(process.argv.slice(2), import.meta.url);
const { run } = await import('./commands/run.js');
const { standardStreamsFlushed } = await import('./output.js');
const status = await run(process.argv.slice(2));
await standardStreamsFlushed();
process.exit(status);
