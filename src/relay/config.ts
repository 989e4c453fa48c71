import type { Static } from 'typebox';
import { problemOf, withoutConsequences } from '../config/defects.js';
import { readText } from '../config/load.js';
import { defaultStateDir, fromConfigFile, inside, thisHost, type Host } from '../config/paths.js';
import { configError } from '../config/report.js';
import { Source } from '../config/source.js';
import { validate } from '../config/validate.js';
import { RelaySchema, type RelayConfig, type WardensConfig } from './schema.js';

/**
 * Reads and parses the relay's config file. Throws HeapwardenError CONFIG_UNREADABLE, and ConfigError with every
 * problem at once.
 */
export async function loadRelayConfig(file: string, host: Partial<Host> = {}): Promise<RelayConfig> {
  return parseRelayConfig(await readText(file), file, { ...thisHost(host.env), ...host });
}

/** Pure: the config that `text` (YAML 1.2) stands for. Throws a ConfigError. */
export function parseRelayConfig(text: string, file: string, host: Host): RelayConfig {
  const source = new Source(file, text);
  const syntax = source.syntaxProblems();
  if (syntax.length > 0) throw configError(syntax);
  const root = source.value() ?? {};
  const errors = withoutConsequences(validate(root, RelaySchema));
  const problems = errors.flatMap((error) => problemOf(error, { source, originOf: (path) => path }));
  if (problems.length > 0) throw configError(problems);

  const config = root as Static<typeof RelaySchema>;
  const { cert_file, key_file } = config.wardens.tls;
  if ((cert_file === undefined) !== (key_file === undefined)) {
    const path = ['wardens', 'tls', cert_file === undefined ? 'key_file' : 'cert_file'];
    throw configError([source.problem(path, 'cert_file and key_file belong together; give both or neither')]);
  }
  return withPaths(config, file, host);
}

function withPaths(config: Static<typeof RelaySchema>, file: string, host: Host): RelayConfig {
  const absolute = (path: string) => fromConfigFile(file, path, host);
  // Beside a warden's own state, not in it: both may run on one machine as one user.
  const byDefault = inside(defaultStateDir(host), 'relay', host);
  const stateDir = config.state_dir === undefined ? byDefault : absolute(config.state_dir);
  const tokenFile = config.auth.token_file;
  const { file_sd } = config.targets;
  return {
    ...config,
    state_dir: stateDir,
    auth: { token_file: tokenFile === undefined ? inside(stateDir, 'token', host) : absolute(tokenFile) },
    targets: { ...config.targets, ...(file_sd && { file_sd: { ...file_sd, files: file_sd.files.map(absolute) } }) },
    wardens: {
      ...config.wardens,
      token_file: absolute(config.wardens.token_file),
      tls: tlsWithPaths(config.wardens.tls, absolute),
    },
  };
}

function tlsWithPaths(
  { ca_file, cert_file, key_file, ...tls }: WardensConfig['tls'],
  absolute: (path: string) => string,
): WardensConfig['tls'] {
  return {
    ...tls,
    ...(ca_file !== undefined && { ca_file: absolute(ca_file) }),
    ...(cert_file !== undefined && { cert_file: absolute(cert_file) }),
    ...(key_file !== undefined && { key_file: absolute(key_file) }),
  };
}
