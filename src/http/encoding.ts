import type { IncomingHttpHeaders } from 'node:http';

/** Whether who asks takes gzip by name; `q=0` refuses it (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3). */
export function takesGzip({ 'accept-encoding': accepted = '' }: IncomingHttpHeaders): boolean {
  const choices = String(accepted).split(',').map((choice) => choice.trim().toLowerCase());
  return choices.some((choice) => /^gzip(?:\s*;|$)/.test(choice) && !/;\s*q=0(?:\.0*)?$/.test(choice));
}
