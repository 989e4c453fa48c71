/** The dashboards, by file. */
import { appInDepth } from './app.js';
import type { Dashboard } from './dashboard.js';
import { overview } from './overview.js';

export const DASHBOARDS: Readonly<Record<string, () => Dashboard>> = {
  'heapwarden-overview.json': overview,
  'heapwarden-app.json': appInDepth,
};

export const textOf = (dashboard: Dashboard): string => `${JSON.stringify(dashboard, null, 2)}\n`;
