/** Names come from outside, and what is made of them is one line: of the log, of a terminal, of a file. Pure. */
export const printable = (name: string): string => name.replace(/\p{Cc}/gu, '?');
