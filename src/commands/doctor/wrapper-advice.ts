/** What a wrapper does to an app, and what to change, by who starts it. Pure. */
import { relative } from 'node:path';
import type { AppConfig } from '../../config/schema.js';
import { nodeScript, shellText } from './command.js';
import { fixIn } from './ecosystem.js';
import { run, type Fix, type Told } from './finding.js';
import type { Places } from './places.js';
import type { Pm2App } from './pm2-app.js';
import type { Entry } from './processes.js';
import { editCommand } from './service.js';

/** Between whom and the app the wrapper stands. */
export function starterOf({ supervisor: { pm2, systemd, docker, external } }: AppConfig): string {
  if (pm2 !== undefined) return 'PM2';
  if (systemd !== undefined) return 'systemd';
  if (docker !== undefined) return 'Docker';
  return external ? 'whoever starts it' : 'heapwarden';
}

interface Harm {
  words: string;
  isProblem: boolean;
}

/** null where nothing is known to come of it. */
export function harmOf({ supervisor, memory }: AppConfig, name: string): Harm | null {
  if (memory === 'process') {
    const words = `with memory: process, limits.rss is held against ${name} and never against the app`;
    return { words, isProblem: true };
  }
  if (supervisor.child?.listen !== undefined) {
    return { words: 'the shared port (listen) needs a command that starts Node itself', isProblem: true };
  }
  const words = lesserHarm(supervisor, name);
  return words === null ? null : { words, isProblem: false };
}

function lesserHarm({ pm2, systemd, docker, external }: AppConfig['supervisor'], name: string): string | null {
  if (pm2 !== undefined) {
    return (
      `the memory in "pm2 list" and max_memory_restart are ${name}'s, ` +
      'and so are the exit code and "ready" message that PM2 waits for'
    );
  }
  // It signals all of a unit's processes by itself: KillMode=control-group, systemd.kill(5).
  if (systemd !== undefined) return `the exit code that systemd sees is ${name}'s`;
  const exit = `and the exit code is ${name}'s`;
  if (docker !== undefined) return `the stop signal reaches the app only if ${name} passes it on, ${exit}`;
  // stop.ts tells whom the wrapper has not told.
  const late = `the stop signal reaches the app late unless ${name} passes it on`;
  if (external) return Array.isArray(external.restart) ? null : late;
  return `${late}, ${exit}`;
}

/** null where it is not known what starts the app. */
export function fixOf(app: AppConfig, inner: Entry, pm2: Told<readonly Pm2App[]>, places: Places): Fix | null {
  const { supervisor } = app;
  if (supervisor.pm2 !== undefined) return pm2Fix(app.name, inner, pm2);
  if (supervisor.systemd !== undefined) {
    const where = inner.cwd === null ? '' : `, WorkingDirectory=${inner.cwd}`;
    return run(`${editCommand(supervisor.systemd, '--full')}   (ExecStart=${shellText(inner.words)}${where})`);
  }
  const command = `command: ${listOf(inner.words)}`;
  if (supervisor.docker !== undefined) {
    return run(`in its compose file: ${command}   (or in the image: CMD ${JSON.stringify(inner.words)})`);
  }
  return supervisor.child ? places.ofApp(app.name, 'supervisor.child.command', command) : null;
}

function pm2Fix(app: string, inner: Entry, pm2: Told<readonly Pm2App[]>): Fix {
  const known = 'value' in pm2 ? pm2.value.find((candidate) => candidate.app.name === app) : undefined;
  const found = nodeScript(inner.words);
  if (!found) return run("have PM2 start the app's own script instead");
  const script = inner.cwd !== null && found.script.startsWith(`${inner.cwd}/`) ? relative(inner.cwd, found.script) : found.script;
  const keys = [
    `script: ${JSON.stringify(script)}`,
    ...(found.options.length > 0 ? [`node_args: ${JSON.stringify(shellText(found.options))}`] : []),
    ...(found.args.length > 0 ? [`args: ${JSON.stringify(shellText(found.args))}`] : []),
  ];
  const inFile = `${keys.join(', ')}${found.args.length > 0 ? '' : '   (and no args)'}`;
  const name = shellText([known?.name ?? app]);
  const start = [
    `pm2 start ${shellText([script])} --name ${name}`,
    ...(inner.cwd === null ? [] : [`--cwd ${shellText([inner.cwd])}`]),
    ...(found.options.length > 0 ? [`--node-args ${shellText([shellText(found.options)])}`] : []),
    ...(found.args.length > 0 ? [`-- ${shellText(found.args)}`] : []),
  ].join(' ');
  const pattern = /\bscript\b.*\b(?:npm|npx|yarn|pnpm|sh|bash)\b/;
  return known?.ecosystem ? fixIn(known.ecosystem, pattern, inFile) : run(`pm2 delete ${name} && ${start}`);
}

/** A list as YAML has it on one line: what would be read as a number or a word of YAML's own is quoted. */
function listOf(words: readonly string[]): string {
  const isPlain = (word: string) => /^(?:--?[a-z]|\.{0,2}\/|[a-z])[\w./=-]*$/i.test(word) && !/^(?:true|false|null)$/i.test(word);
  return `[${words.map((word) => (isPlain(word) ? word : JSON.stringify(word))).join(', ')}]`;
}
