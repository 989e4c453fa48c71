export type Group = Record<string, unknown>;

export function isGroup(value: unknown): value is Group {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A config as written, with its `defaults` merged into each of its apps: groups key by key; lists, single values and
 * `supervisor` are replaced. Whatever is of the wrong type stays as it is, for the schema to find.
 */
export function mergeDefaults(root: unknown): unknown {
  if (!isGroup(root)) return root;
  const { defaults, apps } = root;
  if (!isGroup(defaults) || !Array.isArray(apps)) return root;
  return { ...root, apps: apps.map((app: unknown) => (isGroup(app) ? mergeGroups(defaults, app) : app)) };
}

function mergeGroups(base: Group, over: Group): Group {
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries([...keys].map((key) => [key, mergeKey(key, base, over)]));
}

function mergeKey(key: string, base: Group, over: Group): unknown {
  // A copy, because each app's values are converted in place.
  if (!Object.hasOwn(over, key)) return structuredClone(base[key]);
  const [common, own] = [base[key], over[key]];
  if (key === 'supervisor' || !isGroup(common) || !isGroup(own)) return own;
  return mergeGroups(key === 'ready' ? withoutOtherCheck(common, own) : common, own);
}

const CHECKS = ['http', 'tcp', 'agent', 'pm2'];

/** `ready` checks one thing: an app that names its own does not want the one of the defaults as well. */
function withoutOtherCheck(common: Group, own: Group): Group {
  if (!CHECKS.some((check) => check in own)) return common;
  return Object.fromEntries(Object.entries(common).filter(([key]) => !CHECKS.includes(key) && key !== 'status'));
}
