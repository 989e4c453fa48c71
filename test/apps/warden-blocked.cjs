// Preloaded into a warden (NODE_OPTIONS=--require=…): on SIGUSR2 its own event loop does not turn for BLOCK_MS.
delete process.env.NODE_OPTIONS; // its apps shall not have it

process.on('SIGUSR2', () => {
  for (const end = performance.now() + Number(process.env.BLOCK_MS); performance.now() < end; );
});
