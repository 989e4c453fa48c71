/** For people: who asks a warden whose web config has users. */

/** `user:password`; in a variable, since others can read a command line. */
export const USER_VARIABLE = 'HEAPWARDEN_BASIC_AUTH';
export const SET_USER = `set ${USER_VARIABLE}=user:password`;

/** What a 401 means to somebody who only reads, and what to do about it. */
export const asksWho = (url: string): string =>
  `the heapwarden at ${url} asks who wants to know: ${SET_USER}, or name the token with --token.file, or its config ` +
  'with --config.file';
