// A short piece of each page is kept; in V8 a piece of 13 characters or more keeps the whole page.
const { startService } = require('./service.cjs');

const titles = [];

function renderPage(order) {
  const rows = [];
  for (let i = 0; i < 300; i++) rows.push(`<tr><td>${order.id}</td><td>${i}</td><td>${(order.id * i) % 977} in stock of a warehouse</td></tr>`);
  return `<h1>The confirmation of order ${order.id}</h1>${rows.join('')}`;
}

function rememberTitle(page) {
  titles.push(page.slice(4, page.indexOf('</h1>')));
}

startService((order) => rememberTitle(renderPage(order)));
