const SECRET = /pass(?:word|wd|phrase)?|secret|token|credential|auth|api[-_]?key|private|cookie|session|dsn|signature/i;
const HIDDEN = '[hidden]';

/** Pure. A command line in which values are hidden whose names say that they are secret, and passwords in URLs. */
export function hidden(args: readonly string[]): string[] {
  return args.map((arg, i) => {
    const [name, value] = named(arg);
    if (name !== null && SECRET.test(name)) return `${name}=${HIDDEN}`;
    const before = args[i - 1];
    // `--token abc`: the name stands alone, and a value does not look like the next option.
    const isValue = before !== undefined && before.startsWith('-') && !before.includes('=') && !arg.startsWith('-');
    if (isValue && SECRET.test(before)) return HIDDEN;
    return name === null ? withoutUserInfo(arg) : `${name}=${withoutUserInfo(value)}`;
  });
}

function named(arg: string): [name: string, value: string] | [name: null] {
  const match = /^(-{0,2}[\w.-]+)=(.*)$/s.exec(arg);
  return match ? [match[1]!, match[2]!] : [null];
}

/** `scheme://user:password@host`: https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1 */
function withoutUserInfo(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/gi, `$1${HIDDEN}@`);
}
