import { Refused, act } from './api.js';
import { byId, h, setText } from './dom.js';
import { askForToken, forgetToken } from './token.js';

/** Runs what takes the token; tells a person how it went. */
export async function withToken(what: string, run: (token: string) => Promise<string | null>): Promise<void> {
  const token = await askForToken(what);
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

export function say(text: string, tone: string): void {
  const line = byId('said');
  setText(line, text);
  line.dataset['tone'] = tone;
}

/** The buttons of an app, or of one of its workers. */
export function restartButtons(app: string, worker: string | null): HTMLElement[] {
  const name = worker === null ? app : `${app}/${worker}`;
  const body = worker === null ? {} : { worker };
  return [
    button('Restart', `Restart ${name}`, (token) => act(token, app, 'restart', body)),
    button('Dry run', `Dry run of a restart of ${name}`, (token) => act(token, app, 'restart', { ...body, dry_run: true })),
  ];
}

export const pauseButtons = (app: string): { pause: HTMLElement; resume: HTMLElement } => ({
  pause: button('Pause', `Pause automatic restarts of ${app}`, (token) => act(token, app, 'pause', {})),
  resume: button('Resume', `Resume automatic restarts of ${app}`, (token) => act(token, app, 'resume', {})),
});

function button(text: string, what: string, run: (token: string) => Promise<string>): HTMLElement {
  const element = h('button', { type: 'button', 'aria-label': what }, text);
  element.addEventListener('click', () => void withToken(what, run));
  return element;
}
