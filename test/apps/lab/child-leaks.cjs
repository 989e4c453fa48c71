// The service is healthy; the process that it has started for thumbnails is not.
const { fork } = require('node:child_process');
const { join } = require('node:path');
const { startService } = require('./service.cjs');

const thumbnails = fork(join(__dirname, 'thumbnails.cjs'));
process.on('exit', () => thumbnails.kill());
startService((order) => thumbnails.send(order));
