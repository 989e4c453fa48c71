import { gauge, seconds, type Family, type View } from './family.js';

/** The warden about itself. */
export function wardenFamilies({ version, agentsConnected, lastReload }: View): Family[] {
  return [
    gauge('heapwarden_build_info', 'Version of heapwarden and of the Node.js it runs on.', [
      { labels: { version, node_version: process.version.slice(1) }, value: 1 },
    ]),
    gauge('heapwarden_agents_connected', 'Agents that report in now.', [{ labels: {}, value: agentsConnected }]),
    gauge(
      'heapwarden_config_last_reload_successful',
      '1 where the last load of the config succeeded, 0 where it failed and the one before stays.',
      [{ labels: {}, value: lastReload.successful ? 1 : 0 }],
    ),
    gauge(
      'heapwarden_config_last_reload_success_timestamp_seconds',
      'When the config was last loaded, in seconds since the Unix epoch.',
      [{ labels: {}, value: seconds(lastReload.successAtMs) }],
    ),
  ];
}
