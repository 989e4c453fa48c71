const LOADED = Symbol.for('heapwarden.agent');

/** Once per process, for however often, and from however many copies, the agent is loaded; false from then on. */
export function claim(): boolean {
  if (LOADED in globalThis) return false;
  Object.defineProperty(globalThis, LOADED, { value: true });
  return true;
}
