// Freezes in FREEZE_BY after FREEZE_AFTER_MS (default 3000): loop, regex, deep, or native. Says so right before.
const { pbkdf2Sync } = require('node:crypto');
const { writeSync } = require('node:fs');

function step(n) {
  return Math.sqrt(n) + 1;
}

function spinForEver(secret) {
  let turns = 0;
  while (secret !== '') turns = step(turns);
  return turns;
}

/** Recursions by different names, so that two looks hardly share one. */
const CLIMBS = Array.from({ length: 9 }, (_, i) => {
  const name = `climb${i}`;
  const { [name]: climb } = { [name]: (left) => (left === 0 ? spinFor(5) : climb(left - 1) + 1) };
  return climb;
});

function spinFor(ms) {
  for (const end = performance.now() + ms; performance.now() < end; );
  return 0;
}

function climbForEver() {
  for (let turn = 0; ; turn++) CLIMBS[turn % CLIMBS.length](70 + (turn % 5));
}

function checkAddress(address) {
  return /^(a+)+$/.test(address);
}

function hashTooOften(password) {
  return pbkdf2Sync(password, 'salt', 2 ** 31 - 1, 64, 'sha512');
}

const FREEZES = {
  loop: () => spinForEver('hunter2'),
  deep: () => climbForEver(),
  regex: () => checkAddress(`${'a'.repeat(60)}!`),
  native: () => hashTooOften('hunter2'),
};

setTimeout(() => {
  writeSync(1, 'freezes\n');
  FREEZES[process.env.FREEZE_BY]();
}, Number(process.env.FREEZE_AFTER_MS ?? 3000));
setInterval(() => {}, 1e6);
