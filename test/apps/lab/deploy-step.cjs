// After two thirds of its life a new release switches a feature on, with tables of its own.
const { startService, HOUR_MS } = require('./service.cjs');

const tables = [];

function loadTables() {
  for (let i = 0; i < 400; i++) {
    const rows = [];
    for (let j = 0; j < 1000; j++) rows.push({ table: i, row: j, name: `row ${j}` });
    tables.push(rows);
  }
}

setTimeout(loadTables, 1.6 * HOUR_MS);
startService();
