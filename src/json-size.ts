/** Pure: what a JSON text would become. Its bytes do not tell: 3 of them, `{},`, are 54 of heap, others more than 200. */

/** As many as JSON from outside may hold: 90 MB of heap at worst, where heapwarden's own limit is 256 MiB. */
export const MOST_VALUES = 500_000;

const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE] = Array.from('"\\,[{', (sign) => sign.charCodeAt(0));

/** Whether a text would become more values than that, by the `{`, `[` and `,` outside its strings. */
export function holdsTooMuch(text: string, mostValues = MOST_VALUES): boolean {
  if (text.length <= mostValues) return false;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const sign = text.charCodeAt(i);
    if (sign === QUOTE) i = endOfString(text, i + 1);
    else if ((sign === COMMA || sign === BRACE || sign === BRACKET) && ++count > mostValues) return true;
  }
  return false;
}

/** Where its closing quote is, or the text's end. By indexOf, for a string may be megabytes. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}
