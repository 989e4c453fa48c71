import type { Static } from 'typebox';
import type { ConfigProblem } from '../errors.js';
import { duplicateNames, duplicatePorts, duplicateSources, duplicateUnits, limitsOutOfOrder, type Origins } from './checks.js';
import { problemOf, withoutConsequences } from './defects.js';
import { isGroup, mergeDefaults } from './merge.js';
import {
  defaultAgentSocket,
  defaultStateDir,
  fromConfigFile,
  inside,
  socketDefect,
  thisHost,
  type Host,
} from './paths.js';
import { configError } from './report.js';
import type { AppConfig, Config, ConfigSchema } from './schema.js';
import { Source, type Path } from './source.js';
import { validate } from './validate.js';

/** `file` names the text in reports; relative paths in the text are relative to its folder. */
export interface ParseOptions extends Partial<Host> {
  file: string;
}

/**
 * The config that `text` (YAML 1.2) stands for. Beside the text it depends on the host alone, which `options` may
 * replace. Throws a ConfigError with every problem at once; where the text is not YAML, with those of syntax only.
 */
export function parseConfig(text: string, options: ParseOptions): Config {
  const { file } = options;
  const host: Host = { ...thisHost(options.env), ...options };
  const source = new Source(file, text);
  const syntax = source.syntaxProblems();
  if (syntax.length > 0) throw configError(syntax);

  const root = mergeDefaults(withoutEmptySections(source.value() ?? {}));
  const problems = [...problemsOf(root, source), ...socketProblems(root, source, host)];
  if (problems.length > 0) throw configError(problems);
  return withPaths(root as Static<typeof ConfigSchema>, file, host);
}

/** `apps:` with nothing but comments under it is how a file with no apps looks. */
function withoutEmptySections(root: unknown): unknown {
  if (!isGroup(root)) return root;
  const isEmpty = (key: string) => root[key] === null && (key === 'apps' || key === 'defaults');
  return Object.fromEntries(Object.entries(root).filter(([key]) => !isEmpty(key)));
}

/** Converts `root` in place and returns all that is wrong with it. */
function problemsOf(root: unknown, source: Source): ConfigProblem[] {
  const originOf = (path: Path): Path => {
    if (path[0] !== 'apps' || source.has(path)) return path;
    const inDefaults = ['defaults', ...path.slice(2)];
    return source.has(inDefaults) ? inDefaults : path;
  };
  const errors = withoutConsequences(validate(root));
  const defective = new Set(errors.map(({ instancePath }) => instancePath));
  const origins: Origins = { source, originOf, isDefective: (path) => defective.has(`/${path.join('/')}`) };

  const apps: unknown[] = isGroup(root) && Array.isArray(root['apps']) ? root['apps'] : [];
  return [
    ...errors.flatMap((error) => problemOf(error, origins)),
    ...limitsOutOfOrder(['defaults'], isGroup(root) ? root['defaults'] : undefined, origins),
    ...apps.flatMap((app, i) => limitsOutOfOrder(['apps', String(i)], app, origins)),
    ...duplicateNames(apps, source),
    ...duplicatePorts(apps, origins),
    ...duplicateSources(apps, origins),
    ...duplicateUnits(apps, origins),
  ];
}

function socketProblems(root: unknown, source: Source, host: Host): ConfigProblem[] {
  const written = isGroup(root) ? root['agent_socket'] : undefined;
  if (written !== undefined && typeof written !== 'string') return [];
  const defect = socketDefect(agentSocket(written, source.file, host), host);
  return defect === null ? [] : [source.problem(['agent_socket'], defect)];
}

function agentSocket(written: string | undefined, file: string, host: Host): string {
  if (written === undefined) return defaultAgentSocket(host);
  return host.platform === 'win32' ? written : fromConfigFile(file, written, host); // a named pipe is in no folder
}

function withPaths({ defaults: _merged, ...config }: Static<typeof ConfigSchema>, file: string, host: Host): Config {
  const absolute = (path: string) => fromConfigFile(file, path, host);
  const stateDir = config.state_dir === undefined ? defaultStateDir(host) : absolute(config.state_dir);
  const tokenFile = config.auth.token_file;
  return {
    ...config,
    state_dir: stateDir,
    agent_socket: agentSocket(config.agent_socket, file, host),
    auth: { token_file: tokenFile === undefined ? inside(stateDir, 'token', host) : absolute(tokenFile) },
    apps: config.apps.map((app) => ({ ...app, supervisor: supervisorWithPaths(app.supervisor, absolute) })),
  };
}

function supervisorWithPaths(
  { child, external, ...supervisor }: AppConfig['supervisor'],
  absolute: (path: string) => string,
): AppConfig['supervisor'] {
  return {
    ...supervisor,
    ...(child && { child: { ...child, cwd: absolute(child.cwd ?? '.') } }),
    ...(external && {
      external: { ...external, ...(external.pid_file && { pid_file: absolute(external.pid_file) }) },
    }),
  };
}
