// Nested repetition on an input that does not match.
const { startAndFreeze } = require('./frozen.cjs');

function isListOfNames(text) {
  return /^(\w+\s?)*$/.test(text);
}

startAndFreeze(() => isListOfNames(`${'name'.repeat(12)}!`));
