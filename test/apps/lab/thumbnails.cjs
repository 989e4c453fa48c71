// The child of child-leaks.cjs: it keeps each picture that it has made.
const made = [];

function makeThumbnail(order) {
  const pixels = [];
  for (let i = 0; i < 220; i++) pixels.push({ x: i, y: order.id, rgb: `#${(i * 4099).toString(16)}` });
  made.push(pixels);
}

process.on('message', makeThumbnail);
process.on('disconnect', () => process.exit());
