import { byId, setText } from './dom.js';

/** In this page's memory alone: gone with a reload, and out of reach of any other origin's script and of any other tab. */
let known: string | null = null;

/** Asks for the token where it is not known yet; null where the person thinks better of it. `why` goes above the field. */
export function askForToken(why: string): Promise<string | null> {
  if (known !== null) return Promise.resolve(known);
  const dialog = byId<HTMLDialogElement>('token-dialog');
  const field = byId<HTMLInputElement>('token');
  setText(byId('token-why'), why);
  field.value = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      'close',
      () => {
        const given = dialog.returnValue === 'ok' ? field.value.trim() : '';
        field.value = '';
        dialog.returnValue = '';
        known = given === '' ? null : given;
        resolve(known);
      },
      { once: true },
    );
  });
}

/** It was the wrong one. */
export function forgetToken(): void {
  known = null;
}
