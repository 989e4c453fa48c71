const PACKAGE_MANAGER = /^(npm|npx|yarn|yarnpkg|pnpm|pnpx|corepack)(?:-cli|-\d[\w.-]*?)?(?:\.[cm]?js)?$/;
/** What PM2's fork mode has Node start, and names the app's own script to in the environment. */
const OF_PM2 = /[/\\]ProcessContainerFork\.js$/;

/**
 * `npm`, `yarn`, … where a program or Node's script is that, as `/usr/bin/npm`, `npm-cli.js` and `yarn-4.1.0.cjs` are; null
 * for anything else. Pure. `path`: with / or \ between its parts.
 */
export function packageManager(path: string): string | null {
  return PACKAGE_MANAGER.exec(path.split(/[/\\]/).at(-1)!)?.[1] ?? null;
}

/** Whether a process with this script (`process.argv[1]`, as a preload sees it) only starts the app. Pure. */
export function onlyStarts(script: string | undefined, env: NodeJS.ProcessEnv): boolean {
  const own = OF_PM2.test(script ?? '') ? env['pm_exec_path'] : script;
  return own !== undefined && packageManager(own) !== null;
}
