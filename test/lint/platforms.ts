/** What a file does that not every system can: told from its code, comments aside. */
const LINUX = /\/proc\b|\/sys\/|SIGUSR1/;
const POSIX = /\bkill\(-/;

/** Files with their text to those that only do on some systems what they say, and whether their head tells which. Pure. */
export function boundToPlatform(files: ReadonlyMap<string, string>): Map<string, { saysSo: boolean }> {
  const bound = [...files].flatMap(([file, text]) => {
    const code = withoutComments(text);
    const wanted = LINUX.test(code) ? /\bLinux\b/ : POSIX.test(code) ? /\bPOSIX\b/ : null;
    return wanted ? [[file, { saysSo: wanted.test(headOf(text)) }] as const] : [];
  });
  return new Map(bound);
}

/** The comment that a file begins with. */
function headOf(text: string): string {
  return /^\/\*\*[\s\S]*?\*\//.exec(text)?.[0] ?? '';
}

function withoutComments(text: string): string {
  return text.replace(/\/\*\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}
