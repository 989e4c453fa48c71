// Preloaded into a warden (node --require): on SIGUSR2 its own event loop does not turn for BLOCK_MS.
process.on('SIGUSR2', () => {
  for (const end = performance.now() + Number(process.env.BLOCK_MS); performance.now() < end; );
});
