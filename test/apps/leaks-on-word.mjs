// Takes the file LEAK_WHEN away as soon as it is there, and holds 150 MB more from then on; the process after it is as
// small as this one was. With STUBBORN=1 it does not hear its stop signal.
import { rmSync } from 'node:fs';

const kept = [];

function isTold() {
  try {
    rmSync(process.env.LEAK_WHEN); // of two, one has it
    return true;
  } catch {
    return false;
  }
}

setInterval(() => {
  if (kept.length > 0 || !isTold()) return;
  for (let i = 0; i < 150; i++) kept.push(Buffer.alloc(1_000_000, 1));
}, 100);
if (process.env.STUBBORN === '1') process.on('SIGTERM', () => {});
