// Objects register themselves when they are made, and close() is never called.
const { startService } = require('./service.cjs');

const registry = new Set();

class Checkout {
  constructor(order) {
    this.order = order;
    this.steps = new Map();
    for (let i = 0; i < 175; i++) this.steps.set(i, { checkout: this, name: `step ${i}`, done: i % 2 === 0 });
    registry.add(this);
  }

  close() {
    registry.delete(this);
  }
}

startService((order) => new Checkout(order).steps.size);
