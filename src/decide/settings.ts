/** Pure: settings as a person writes them into heapwarden.yml. */
import { formatBytes } from '../units.js';

export const rssLimitSetting = (bytes: number): string =>
  `limits: { rss: { restart: ${formatBytes(bytes).replace(' ', '')} } }`;
