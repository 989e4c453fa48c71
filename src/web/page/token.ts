import { byId, setText } from './dom.js';

/** In this page's memory alone: gone with a reload, and out of reach of any other origin's script and of any other tab. */
let known: string | null = null;

/**
 * Asks for the token where it is not known yet, and whether to go on where what is done `takesConfirming`; null where
 * the person thinks better of it. `what` is about to be done.
 */
export function askForToken(what: string, takesConfirming: boolean): Promise<string | null> {
  if (known !== null && !takesConfirming) return Promise.resolve(known);
  const dialog = byId<HTMLDialogElement>('token-dialog');
  const field = byId<HTMLInputElement>('token');
  setText(byId('token-title'), known === null ? 'The token, please' : 'Go on?');
  setText(byId('token-why'), `${what}.`);
  byId('token-field').hidden = known !== null;
  field.required = known === null;
  field.value = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      'close',
      () => {
        const isOk = dialog.returnValue === 'ok';
        const given = field.value.trim();
        field.value = '';
        dialog.returnValue = '';
        if (isOk && given !== '') known = given;
        resolve(isOk ? known : null);
      },
      { once: true },
    );
  });
}

/** It was the wrong one. */
export function forgetToken(): void {
  known = null;
}
