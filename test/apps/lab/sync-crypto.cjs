// A password hashed in the event loop, with far too many rounds.
const { pbkdf2Sync } = require('node:crypto');
const { startAndFreeze } = require('./frozen.cjs');

function hashPassword(password) {
  return pbkdf2Sync(password, 'salt', 2 ** 31 - 1, 64, 'sha512');
}

startAndFreeze(() => hashPassword('not to be told'));
