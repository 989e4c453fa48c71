// Warms its caches over the first eight minutes, and needs no more after that.
const { startService, HOUR_MS } = require('./service.cjs');

const warm = [];
const STEPS = 80;

function warmUp() {
  const part = [];
  for (let i = 0; i < 8000; i++) part.push({ i, step: warm.length, name: `entry ${i}` });
  warm.push(part);
  if (warm.length < STEPS) setTimeout(warmUp, (8 * HOUR_MS) / 60 / STEPS);
}

warmUp();
startService();
