import { agent } from './agent.js';
import { config } from './config.js';
import { files } from './files.js';
import { http } from './http.js';
import { proc } from './proc.js';
import type { Target } from './target.js';

export const allTargets = (teardown: (ending: () => unknown) => void): Target[] => [...config, ...agent, ...proc, ...files, ...http(teardown)];
