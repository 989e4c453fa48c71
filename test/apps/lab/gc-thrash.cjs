// Run with a heap that hardly suffices (--max-old-space-size=96): then what it makes costs one collection after another.
const { startAndFreeze } = require('./frozen.cjs');

const WORDS = 500_000;
const index = [];

const entryOf = (i) => ({ i, word: `word ${i}`, next: null });

function rebuildIndex() {
  for (let i = 0; i < WORDS; i++) index.push(entryOf(i));
  // Each turn replaces one of long ago, so that all that it makes survives the young generation.
  for (let i = 0; ; i++) index[(i * 7919) % WORDS] = entryOf(i);
}

startAndFreeze(rebuildIndex);
