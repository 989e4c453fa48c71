// A loop whose end never comes.
const { startAndFreeze } = require('./frozen.cjs');

function nextFreeSlot(slots) {
  let slot = 0;
  while (slots[slot % slots.length].taken) slot += 1;
  return slot;
}

startAndFreeze(() => nextFreeSlot(Array.from({ length: 100 }, (_, i) => ({ i, taken: true }))));
