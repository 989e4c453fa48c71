/**
 * The same callback, without its exceptions. A throw out of a timer or a socket event would end the app, and an app may
 * well have replaced what the agent relies on (JSON, process.memoryUsage, fake timers in tests).
 */
export function quietly<A extends unknown[]>(callback: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      callback(...args);
    } catch {
      // The warden sees it as missing stats or a missing heartbeat.
    }
  };
}
