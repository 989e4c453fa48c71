import { noticesOf, unsupportedIn } from '../../config/notices.js';
import type { Config } from '../../config/schema.js';
import type { Verdict } from './finding.js';
import type { Places } from './places.js';

/** What `heapwarden check` says of the config, with its place. */
export function judgeNotices(config: Config, places: Places): Verdict {
  const unsupported = unsupportedIn(config).map((notice) => ({ notice, code: 'setting_unsupported', severity: 'problem' }) as const);
  const idle = noticesOf(config).map((notice) => ({ notice, code: 'setting_without_effect', severity: 'note' }) as const);
  const findings = [...unsupported, ...idle].map(({ notice: { app, key, message }, code, severity }) => {
    return { code, severity, app, message, fix: places.ofApp(app, key, `take out or change ${key}`) };
  });
  return { findings, notChecked: [] };
}
