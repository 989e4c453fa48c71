// Lives for FREEZE_AFTER_MS (default 3000), or until SIGUSR2, then does not turn its event loop for FREEZE_FOR_MS
// (default: for ever), and holds FREEZE_MB more from then on.
const freezeForMs = Number(process.env.FREEZE_FOR_MS ?? Infinity);

function freeze() {
  globalThis.held = Buffer.alloc(Number(process.env.FREEZE_MB ?? 0) * 1e6, 1);
  for (const end = performance.now() + freezeForMs; performance.now() < end; );
}

setTimeout(freeze, Number(process.env.FREEZE_AFTER_MS ?? 3000));
process.on('SIGUSR2', freeze);
setInterval(() => {}, 1e6); // goes on afterwards

// A graceful app: its handler can never run once it is frozen.
process.on('SIGTERM', () => process.exit(0));
console.log('turns');
