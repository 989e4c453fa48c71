/** The port of this process's inspector while it is open, as a field of a beat. Costs 1 to 15 µs; nothing is opened. */
export function openInspector(): { inspector_port?: number } {
  try {
    // Not an import: a Node built without an inspector throws.
    if (!process.features.inspector) return {};
    const url = (require('node:inspector') as typeof import('node:inspector')).url();
    const port = url === undefined ? NaN : Number(new URL(url).port);
    return port > 0 ? { inspector_port: port } : {};
  } catch {
    return {};
  }
}
