/** The token and the state folder: usable by this user, and closed to all others. */
import { run, type Finding, type Verdict } from './finding.js';
import { shellText } from './command.js';

export interface FileFacts {
  path: string;
  /** Permission bits; null where it is not there. */
  mode: number | null;
  /** Why this user cannot use it, in words; null where nothing keeps it. */
  defect: string | null;
}

export interface AccessFacts {
  /** Permissions mean nothing on Windows. */
  platform: NodeJS.Platform;
  token: FileFacts;
  state: FileFacts;
  /** A warden uses the state folder: it has made both. */
  isInUse: boolean;
}

export function judgeAccess({ platform, token, state, isInUse }: AccessFacts): Verdict {
  const notChecked = platform === 'win32' ? ['who else may read the token and the state folder: Windows has no permission bits'] : [];
  const isOpen = ({ mode }: FileFacts): boolean => platform !== 'win32' && mode !== null && (mode & 0o077) !== 0;
  const findings: Finding[] = [];
  const add = (code: Finding['code'], severity: Finding['severity'], message: string, fix: string) =>
    findings.push({ code, severity, app: null, message, fix: run(fix) });

  // Before the first start there is neither.
  if (token.mode === null && isInUse) {
    const words = `the token file ${token.path} is gone: restarts, pauses and alerts are refused`;
    add('token_unusable', 'problem', words, 'start heapwarden again: it makes a new one');
  } else if (token.mode !== null && token.defect !== null) {
    const words = `the token file ${token.path} cannot be used: ${token.defect}`;
    add('token_unusable', 'problem', words, `run it as the user who runs heapwarden, or: chown "$USER" ${shellText([token.path])}`);
  }
  if (isOpen(token)) {
    const who = whoOf(token.mode!);
    const words = `the token file ${token.path} has mode ${octal(token.mode!)}: ${who} can restart your apps with it`;
    add('token_open', 'problem', words, `chmod 600 ${shellText([token.path])}`);
  }
  if (state.defect !== null) {
    const words = `the state folder ${state.path} cannot be used: ${state.defect}`;
    add('state_unwritable', 'problem', words, `chown "$USER" ${shellText([state.path])}, or set state_dir in the config`);
  }
  if (isOpen(state)) {
    const words = `the state folder ${state.path} has mode ${octal(state.mode!)}: ${whoOf(state.mode!)} can look into it`;
    add('state_open', 'warning', `${words}, and evidence of your apps is kept there`, `chmod 700 ${shellText([state.path])}`);
  }
  return { findings, notChecked };
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');
const whoOf = (mode: number): string => ((mode & 0o007) !== 0 ? 'every user of this machine' : 'every member of its group');
