/** What programs need to find their way; no secret is handed on by these names. */
const HANDED_ON = [
  'PATH', 'HOME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'USER', 'LOGNAME', 'SHELL', 'TZ', 'TMPDIR',
  // systemctl --user
  'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS',
  // Windows: without SystemRoot hardly any program starts there
  'SystemRoot', 'SystemDrive', 'ComSpec', 'PATHEXT', 'TEMP', 'TMP', 'USERPROFILE', 'APPDATA', 'LOCALAPPDATA', 'ProgramData',
];

export interface RestartSubject {
  app: string;
  worker: string;
  /** Of the process that is to be replaced; null where there is none. */
  pid: number | null;
}

/**
 * The environment of a restart command: of heapwarden's own only what programs need to find their way (its secrets are
 * none of theirs), and which process is meant.
 */
export function commandEnvironment({ app, worker, pid }: RestartSubject, inherited: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // Windows knows no difference between Path and PATH.
  const names = new Set(HANDED_ON.map((name) => name.toUpperCase()));
  const isHandedOn = (name: string) => (process.platform === 'win32' ? names.has(name.toUpperCase()) : HANDED_ON.includes(name));
  return {
    ...Object.fromEntries(Object.entries(inherited).filter(([name]) => isHandedOn(name))),
    HEAPWARDEN_APP: app,
    HEAPWARDEN_WORKER: worker,
    ...(pid === null ? {} : { HEAPWARDEN_PID: String(pid) }),
  };
}
