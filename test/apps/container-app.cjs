// The one process of a container, which behaves as its HOW says. As process 1 it ends on SIGTERM only where it listens.
const { HOW = 'plain' } = process.env;
const kept = [];

if (HOW !== 'deaf') process.on('SIGTERM', () => process.exit(0));
if (HOW === 'grows') setInterval(() => kept.push(Buffer.alloc(5_000_000, 1)), 20); // outside of V8's heap
if (HOW === 'fills-heap') setInterval(() => kept.push(Array.from({ length: 100_000 }, (_, i) => ({ i }))), 1);
if (HOW === 'fails') setTimeout(() => process.exit(7), 200);
setInterval(() => {}, 1000);
