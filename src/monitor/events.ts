/** Pure: a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), piece by piece. */
export interface ServerEvent {
  event: string;
  data: string;
}

/** Takes text as it comes, and returns the events that it completes; comments are passed over. */
export class EventParser {
  #rest = '';
  #event = '';
  #data: string[] = [];

  push(text: string): ServerEvent[] {
    // A lone CR at the end may be half of CR LF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    return lines.flatMap((line) => this.#take(line));
  }

  #take(line: string): ServerEvent[] {
    if (line === '') {
      const event = { event: this.#event || 'message', data: this.#data.join('\n') };
      const isEmpty = this.#data.length === 0;
      [this.#event, this.#data] = ['', []];
      return isEmpty ? [] : [event];
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    return [];
  }
}
