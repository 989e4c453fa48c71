// A service of systemd. READY_MS: tells systemd so late that it is ready. DEAF: outlives SIGTERM. DAEMON: leaves a process
// behind that is nobody's child. EXIT: ends with this status after EXIT_MS.
const { execFileSync, spawn } = require('node:child_process');

const { READY_MS, DEAF, DAEMON, EXIT, EXIT_MS } = process.env;
setInterval(() => {}, 1 << 30);
if (DEAF) process.on('SIGTERM', () => {});
if (DAEMON) execFileSync('sh', ['-c', 'sleep 100000 & :'], { stdio: 'ignore' });
if (READY_MS) setTimeout(() => spawn('systemd-notify', ['--ready']), Number(READY_MS));
if (EXIT) setTimeout(() => process.exit(Number(EXIT)), Number(EXIT_MS));
