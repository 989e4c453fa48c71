/** Every way heapwarden itself can fail, as one closed union. A process that has gone is a value, not an error. */
export type ErrorCode =
  | 'USAGE' // the command line makes no sense
  | 'CONFIG_UNREADABLE' // the config file is missing or may not be read
  | 'CONFIG_INVALID' // the config file was read and is wrong
  | 'CONFIG_UNWRITABLE' // init cannot write a config file, or may not write over one
  | 'CONFIG_NEEDS_RESTART' // a reload changed what only a start can change
  | 'SUPERVISOR_UNREACHABLE' // whatever owns the process does not answer
  | 'SUPERVISOR_REFUSED' // it answered, and said no
  | 'SUPERVISOR_CLOSED' // it was closed in the middle, before anything was replaced
  | 'UNKNOWN_WORKER' // no such slot in this app
  | 'NOT_READY' // the new process did not become ready in time
  | 'SOCKET_IN_USE' // another warden listens on the agent socket
  | 'ADDRESS_IN_USE' // another program listens on the web address
  | 'TOKEN_UNREADABLE' // the token file cannot be read or made
  | 'JOURNAL_UNWRITABLE' // the intent could not be put on disk, so nothing was touched
  | 'STATE_UNWRITABLE' // the state folder cannot be made or written
  | 'STATE_IN_USE' // another warden uses the state folder
  | 'QUEUE_FULL' // the relay holds as many undelivered alerts as it may
  | 'ATTACH_REFUSED' // a process forbids it, or is none that can be attached to
  | 'REQUEST_FAILED'; // a command could not reach the warden, or was refused by it

export class HeapwardenError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'HeapwardenError';
  }
}

/** One defect of a config file. `line` and `column` count from 1, as editors do; `source` is the line as written. */
export interface ConfigProblem {
  file: string;
  line: number;
  column: number;
  message: string;
  source: string;
}

/** All defects of a config file at once; `message` is the report a person reads. */
export class ConfigError extends HeapwardenError {
  constructor(
    readonly problems: readonly ConfigProblem[],
    report: string,
    code: ErrorCode = 'CONFIG_INVALID',
  ) {
    super(code, report);
    this.name = 'ConfigError';
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Why fetch failed: it puts that into `cause`, which is an AggregateError without a message where a name has several addresses. */
export function fetchFailure(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof AggregateError ? cause.errors.map(messageOf).join(', ') : messageOf(cause);
}
