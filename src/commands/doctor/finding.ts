/** What doctor can find, and how it says so. */

/** Every finding there is, as one closed union. */
export type FindingCode =
  | 'config_invalid' // serve would not start with this file
  | 'setting_unsupported' // nor with this setting
  | 'setting_without_effect' // accepted, and does not do what one may expect
  | 'warden_not_running' // nobody watches the apps
  | 'warden_unreachable' // one runs, but not where it was looked for
  | 'config_not_loaded' // the running one has another config
  | 'agent_socket_silent' // nobody hears the agents that report where the config says
  | 'wrapper' // npm, yarn or a shell stands between the supervisor and the app
  | 'orphan' // a process of an app that nobody supervises any more
  | 'limit_above_memory' // the kernel kills before the limit is reached
  | 'oom_policy' // systemd stops every app when one is killed for memory
  | 'pm2_memory_restart' // PM2 restarts by its own limit
  | 'pm2_cron_restart' // and by its own clock
  | 'agent_missing' // runtime: agent, and no agent has reported in
  | 'agent_old' // the agent is of an older version than heapwarden
  | 'node_too_old' // the agent does not run there
  | 'token_unusable' // missing, unreadable or empty
  | 'token_open' // others may read it
  | 'state_unwritable'
  | 'state_open' // others may read what is in the state folder
  | 'clock_unsynchronized' // the system says so itself
  | 'clock_skew'; // two clocks differ

/** A problem keeps heapwarden, or the app, from what the config asks for; a warning may; a note is worth knowing. */
export const SEVERITIES = ['problem', 'warning', 'note'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Where to change what. `line` counts from 1. */
export interface Fix {
  /** null: no file, but a command to run. */
  file: string | null;
  /** null: the place in the file is not known, or the line is not there yet. */
  line: number | null;
  /** What to put there, or to run. */
  text: string;
}

export interface Finding {
  code: FindingCode;
  severity: Severity;
  /** null: of the whole installation. */
  app: string | null;
  /** One sentence; it names the app. */
  message: string;
  fix: Fix | null;
}

/** What one check came to. What could not be checked is said, and why: `the agents: no heapwarden answers`. */
export interface Verdict {
  findings: Finding[];
  notChecked: string[];
}

/** Something that was looked for, or why it was not to be had. */
export type Told<T> = { value: T } | { why: string };

export const run = (text: string): Fix => ({ file: null, line: null, text });

/** How messages begin that are about one app. */
export const ofApp = (app: string): string => `app ${JSON.stringify(app)}`;
