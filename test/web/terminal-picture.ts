/** A terminal's screen, with its colours, as a page that a browser can take a picture of. */

const BACKGROUND = '#1b1d23';
const FOREGROUND = '#d7dae0';
/** Black to white, then the bright ones; of the kind that terminals ship with. */
const PALETTE = [
  '#1b1d23', '#e06c75', '#98c379', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', '#d7dae0',
  '#7f848e', '#ff7b86', '#b5e890', '#ffd78a', '#8cc8ff', '#e29af2', '#7fd8e4', '#ffffff',
];

interface Look {
  color: string | null;
  bold: boolean;
  dim: boolean;
  reverse: boolean;
}

const PLAIN: Look = { color: null, bold: false, dim: false, reverse: false };

/** `screen`: with escape sequences for colours (SGR, ECMA-48 8.3.117) and no others, as tmux's capture-pane -e has it. */
export function terminalPage(screen: string): string {
  let look = PLAIN;
  const html = screen.trimEnd().split(/\x1b\[([\d;]*)m/).map((part, i) => {
    if (i % 2 === 0) return part === '' ? '' : `<span style="${styleOf(look)}">${escaped(part)}</span>`;
    for (const code of (part || '0').split(';').map(Number)) look = changed(look, code);
    return '';
  });
  const body = `margin:0;padding:12px 14px;background:${BACKGROUND};color:${FOREGROUND};width:max-content`;
  return `<!doctype html><meta charset="utf-8"><body style="${body}"><pre style="margin:0;font:15px/1.15 'DejaVu Sans Mono',monospace">${html.join('')}</pre>`;
}

function changed(look: Look, code: number): Look {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...look, bold: true };
  if (code === 2) return { ...look, dim: true };
  if (code === 7) return { ...look, reverse: true };
  if (code === 39) return { ...look, color: null };
  if (code === 49) return look; // the background's own colour, which is never another here
  if (code >= 30 && code <= 37) return { ...look, color: PALETTE[code - 30]! };
  if (code >= 90 && code <= 97) return { ...look, color: PALETTE[code - 82]! };
  throw new Error(`the terminal's colours have a code that is not drawn: ${code}`);
}

function styleOf({ color, bold, dim, reverse }: Look): string {
  const ink = color ?? FOREGROUND;
  const [front, back] = reverse ? [BACKGROUND, ink] : [ink, 'transparent'];
  return `color:${front};background:${back};font-weight:${bold ? 700 : 400};opacity:${dim ? 0.65 : 1}`;
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
