import { Refused, act } from './api.js';
import { byId, h, setText } from './dom.js';
import { askForToken, forgetToken } from './token.js';

/** Runs what takes the token; tells a person how it went. What `takesConfirming` asks, even where the token is known. */
export async function withToken(
  what: string,
  run: (token: string) => Promise<string | null>,
  { takesConfirming = false } = {},
): Promise<void> {
  const token = await askForToken(what, takesConfirming);
  if (token === null) return;
  say(`${what} …`, 'notice');
  try {
    const said = await run(token);
    say(said ?? `${what}: done`, 'good');
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      forgetToken();
      say(`${what}: that was not the token. It stands in the token file that heapwarden's log names at its start`, 'critical');
      return;
    }
    say(error instanceof Refused ? error.message : `${what}: heapwarden cannot be reached`, 'critical');
  }
}

/** Where it is seen from anywhere on the page, until it is put away. */
function say(text: string, tone: string): void {
  const answer = byId('answer');
  const away = byId('put-away');
  answer.dataset['tone'] = tone;
  setText(byId('said'), text);
  away.hidden = false;
  const putAway = (): void => {
    setText(byId('said'), '');
    away.hidden = true;
  };
  away.addEventListener('click', putAway, { once: true });
}

/** The buttons of an app, or of one of its workers. */
export function restartButtons(app: string, worker: string | null): HTMLElement[] {
  const name = worker === null ? app : `${app}/${worker}`;
  const body = worker === null ? {} : { worker };
  return [
    button('Restart', `Restart ${name}`, (token) => act(token, app, 'restart', body), { takesConfirming: true }),
    button('Dry run', `Dry run of a restart of ${name}`, (token) => act(token, app, 'restart', { ...body, dry_run: true })),
  ];
}

export const pauseButtons = (app: string): { pause: HTMLElement; resume: HTMLElement } => ({
  pause: button('Pause', `Pause automatic restarts of ${app}`, (token) => act(token, app, 'pause', {})),
  resume: button('Resume', `Resume automatic restarts of ${app}`, (token) => act(token, app, 'resume', {})),
});

function button(text: string, what: string, run: (token: string) => Promise<string>, how: { takesConfirming?: boolean } = {}): HTMLElement {
  const element = h('button', { type: 'button', 'aria-label': what }, text);
  element.addEventListener('click', () => void withToken(what, run, how));
  return element;
}
