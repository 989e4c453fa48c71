import { noticesOf, unsupportedIn } from '../config/notices.js';
import { messageOf } from '../errors.js';
import { readConfig } from './config.js';

/** `heapwarden check`: what `serve` would say of the config. Returns the exit status. */
export async function check(configFile: string | null, print: (line: string) => void): Promise<number> {
  try {
    const config = await readConfig(configFile);
    const unsupported = unsupportedIn(config);
    for (const { message } of [...unsupported, ...noticesOf(config)]) print(message);
    if (unsupported.length > 0) return 1;
    const workers = config.apps.map(({ name, supervisor }) => `${name} (${Object.keys(supervisor).join()})`).join(', ');
    print(workers === '' ? 'the config is valid; it names no app' : `the config is valid: ${workers}`);
    return 0;
  } catch (error) {
    print(messageOf(error));
    return 1;
  }
}
