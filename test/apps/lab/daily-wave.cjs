// Holds something for each visitor who is there, and they come and go with the day.
const { startService, HOUR_MS } = require('./service.cjs');

const MOST = 700;
const visitors = [];
const startedAt = performance.now();

function admitVisitor() {
  const pages = [];
  for (let i = 0; i < 350; i++) pages.push({ visitor: visitors.length, page: i, url: `/page/${i}` });
  visitors.push(pages);
}

function followDay() {
  const hours = (performance.now() - startedAt) / HOUR_MS;
  const wanted = Math.round((MOST / 2) * (1 - Math.cos((2 * Math.PI * hours) / 24)));
  while (visitors.length < wanted) admitVisitor();
  visitors.length = Math.min(visitors.length, wanted);
}

setInterval(followDay, HOUR_MS / 60);
startService();
