import { agent } from './agent.js';
import { config } from './config.js';
import { files } from './files.js';
import { http } from './http.js';
import { proc } from './proc.js';
import type { Target } from './target.js';
import { webConfig } from './web-config.js';

export const allTargets = (teardown: (ending: () => unknown) => void): Target[] => [...config, ...webConfig, ...agent, ...proc, ...files, ...http(teardown)];
