// Lives for FREEZE_AFTER_MS (default 3000), then never turns its event loop again.
setTimeout(() => {
  for (;;);
}, Number(process.env.FREEZE_AFTER_MS ?? 3000));

// A graceful app: its handler can never run once it is frozen.
process.on('SIGTERM', () => process.exit(0));
