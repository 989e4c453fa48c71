// A healthy service for FREEZE_AFTER_MS, which then does one thing for too long.
const { startService } = require('./service.cjs');

exports.startAndFreeze = function startAndFreeze(freeze) {
  startService();
  setTimeout(freeze, Number(process.env.FREEZE_AFTER_MS ?? 5000));
};
