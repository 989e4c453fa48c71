// Leaks about 20 MB a second in `remember`, into a Map that is never cleared, while `serve` allocates more and keeps
// nothing. Prints a line every half second. With --token=… on its command line it has a secret to lose.
const sessions = new Map();
let next = 0;

function remember(id) {
  sessions.set(id, { id, cart: Array.from({ length: 100 }, (_, i) => ({ sku: i, name: `item ${id} ${i}` })) });
}

function serve() {
  return JSON.stringify(Array.from({ length: 2000 }, (_, i) => ({ i, text: `answer ${i}` }))).length;
}

let perTurn = Number(process.env.LEAK_PER_TURN ?? 150);
setInterval(() => {
  for (let i = 0; i < perTurn; i++) remember(next++);
  for (let i = 0; i < 5; i++) serve();
}, 50);
setInterval(() => console.log(`remembers ${sessions.size}`), 500);
