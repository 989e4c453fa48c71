// 200 MB of JSON, parsed at once.
const { startAndFreeze } = require('./frozen.cjs');

const ROW = '{"a":1,"b":[1,2,{"c":"text"}],"d":null},';

function importExport(text) {
  return JSON.parse(text).length;
}

const text = `[${Buffer.alloc(200e6, ROW).toString('latin1').slice(0, Math.floor(200e6 / ROW.length) * ROW.length - 1)}]`;
startAndFreeze(() => importExport(text));
