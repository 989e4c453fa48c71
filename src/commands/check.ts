import { loadConfig } from '../config/load.js';
import { noticesOf, unsupportedIn } from '../config/notices.js';
import { HeapwardenError } from '../errors.js';
import { WebConfigFile } from '../http/web-config/web-config-file.js';
import { DEFAULT_CONFIG_FILE } from './options.js';

/** `heapwarden check`: what `serve` would say of its files. Returns the exit status. */
export async function check(configFile: string | null, print: (line: string) => void, webConfigFile: string | null = null): Promise<number> {
  try {
    // `serve` can do without a file; a check that finds none has checked nothing.
    const config = await loadConfig(configFile ?? DEFAULT_CONFIG_FILE);
    const unsupported = unsupportedIn(config);
    for (const { message } of [...unsupported, ...noticesOf(config)]) print(message);
    if (unsupported.length > 0) return 1;
    const apps = config.apps.map(({ name, supervisor }) => `${name} (${Object.keys(supervisor).join()})`).join(', ');
    print(apps === '' ? 'the config is valid; it names no app' : `the config is valid: ${apps}`);
    if (webConfigFile !== null) {
      const { usesTls } = await WebConfigFile.open(webConfigFile);
      print(`the web config is valid: ${usesTls ? 'https' : 'http'}`);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof HeapwardenError)) throw error;
    print(error.message);
    return 1;
  }
}
