/** heapwarden as a library: the same warden that `heapwarden serve` runs. */
export { systemClock, type Clock } from './clock.js';
export { loadConfig } from './config/load.js';
export { parseConfig } from './config/parse.js';
export { ConfigSchema, type AppConfig, type Config } from './config/schema.js';
export { ConfigStore } from './config/store.js';
export type { Decision, Reason, Refusal, RestartReason } from './decide/decision.js';
export { ConfigError, HeapwardenError, type ConfigProblem, type ErrorCode } from './errors.js';
export type { Incident, Outcome, Result } from './act/incident.js';
export type { Log } from './log.js';
export { Warden, type WardenOptions } from './warden.js';
