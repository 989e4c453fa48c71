// The service is healthy; the process that it has started for thumbnails is not. As a tool would, it gets an environment
// of its own, and so no agent.
const { fork } = require('node:child_process');
const { join } = require('node:path');
const { startService } = require('./service.cjs');

const thumbnails = fork(join(__dirname, 'thumbnails.cjs'), { env: { PATH: process.env.PATH } });
startService((order) => thumbnails.send(order));
