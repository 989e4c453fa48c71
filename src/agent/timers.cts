import timers = require('node:timers');

/** As they were when the agent came: a test's fake clock takes their places in node:timers, too, and would keep ours. */
export const { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } = timers;
