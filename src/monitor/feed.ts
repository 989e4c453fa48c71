import { underAny } from '../abort.js';
import type { Clock } from '../clock.js';
import { HeapwardenError, fetchFailure, messageOf } from '../errors.js';
import { call, jsonOf, type Access, type Answer } from '../http/client.js';
import type { WardenStatus } from '../http/port.js';
import { asksWho } from '../http/who.js';
import type { AppAdvice } from '../publish/advice.js';
import type { AppHistory, Range } from '../publish/day.js';
import type { IncidentStatus } from '../publish/incident-shape.js';
import type { AppStatus } from '../publish/app-shape.js';
import { EventParser } from './events.js';
import type { Told } from './view.js';

export interface Listener {
  status(status: WardenStatus): void;
  apps(apps: AppStatus[]): void;
  incidents(incidents: IncidentStatus[]): void;
  /** Something was heard, be it a comment. */
  heard(): void;
  /** Why it is heard no more, and what a person may do about that, as sentences; it is asked again. */
  lost(reason: string, remedy: string | null): void;
}

/** Milliseconds until it is asked again. */
const AGAIN_MS = 2000;
/** Milliseconds of silence after which a connection counts as broken: the warden sends a comment every 15 s. */
const SILENCE_MS = 45_000;
/** Milliseconds that one answer may take. */
const ANSWER_MS = 10_000;

/** Nothing answers where a warden was meant to. */
class Unheard extends HeapwardenError {
  readonly remedy = 'Is it running? Name its address with --url';
}

/** The API of a warden, near or far. */
export class Feed {
  readonly url: string;
  readonly #clock: Clock;
  readonly #access: Access;

  constructor(url: string, clock: Clock, access: Access = {}) {
    this.url = url;
    this.#clock = clock;
    this.#access = access;
  }

  /** Follows the stream, again and again, until `over` aborts. */
  async follow(listener: Listener, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      try {
        await this.#read(listener, over, SILENCE_MS);
        listener.lost(`the heapwarden at ${this.url} has ended the connection`, null);
      } catch (error) {
        if (over.aborted) return;
        if (!(error instanceof HeapwardenError)) throw error;
        listener.lost(error.message, error instanceof Unheard ? error.remedy : null);
      }
      await this.#clock.sleep(AGAIN_MS, over);
    }
  }

  /** What the stream tells at first. Throws HeapwardenError REQUEST_FAILED. */
  async look(): Promise<Told> {
    const over = new AbortController();
    const told: Partial<Told> = {};
    const take = (part: Partial<Told>): void => {
      Object.assign(told, part);
      if (isComplete(told)) over.abort();
    };
    const listener: Listener = {
      status: (status) => take({ status }),
      apps: (apps) => take({ apps }),
      incidents: (incidents) => take({ incidents }),
      heard: () => {},
      lost: () => {},
    };
    try {
      await this.#read(listener, over.signal, ANSWER_MS);
    } catch (error) {
      if (!isComplete(told)) throw withRemedy(error);
    }
    if (isComplete(told)) return told;
    throw failed(`the heapwarden at ${this.url} has ended the connection; try again in a moment`);
  }

  /** Empty where it does not tell. */
  async advice(over?: AbortSignal): Promise<AppAdvice[]> {
    const answer = (await this.#get('api/v1/advice', over)) as { apps: AppAdvice[] } | null;
    return answer?.apps ?? [];
  }

  /** null where it does not tell. */
  async history(app: string, range: Range, over?: AbortSignal): Promise<AppHistory | null> {
    return (await this.#get(`api/v1/apps/${encodeURIComponent(app)}/history?range=${range}`, over)) as AppHistory | null;
  }

  async #get(path: string, over?: AbortSignal): Promise<unknown> {
    const inTime = AbortSignal.timeout(ANSWER_MS);
    try {
      return await underAny(over ? [over, inTime] : [inTime], async (signal) => {
        const answer = await call(this.#at(path), this.#access, { signal });
        if (answer.status === 200) return jsonOf(answer);
        answer.body.destroy();
        return null;
      });
    } catch {
      return null; // the stream tells why
    }
  }

  /** Throws HeapwardenError REQUEST_FAILED where it ends otherwise than by the warden's will. */
  async #read(listener: Listener, over: AbortSignal, silenceMs: number): Promise<void> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), silenceMs);
    try {
      await underAny([over, silence.signal], async (signal) => {
        const answer = await call(this.#at('api/v1/stream'), this.#access, { signal });
        if (!answer.headers['content-type']?.startsWith('text/event-stream')) throw await this.#refusalOf(answer);
        const [parser, decoder] = [new EventParser(), new TextDecoder()];
        for await (const chunk of answer.body) {
          timer.refresh();
          listener.heard();
          for (const { event, data } of parser.push(decoder.decode(chunk as Buffer, { stream: true }))) this.#tell(listener, event, data);
        }
      });
    } catch (error) {
      if (error instanceof HeapwardenError) throw error;
      const reason = silence.signal.aborted ? `nothing was heard for ${silenceMs / 1000} s` : fetchFailure(error);
      throw new Unheard('REQUEST_FAILED', `no heapwarden answers at ${this.url} (${reason})`);
    } finally {
      clearTimeout(timer);
    }
  }

  #tell(listener: Listener, event: string, data: string): void {
    try {
      tell(listener, event, JSON.parse(data));
    } catch (error) {
      const message = `what the heapwarden at ${this.url} tells cannot be understood: ${messageOf(error)}. Are both of one version?`;
      throw new HeapwardenError('REQUEST_FAILED', message, { cause: error });
    }
  }

  async #refusalOf(answer: Answer): Promise<HeapwardenError> {
    const body = await jsonOf(answer);
    if (answer.status === 401) return failed(asksWho(this.url));
    const message = typeof body === 'object' && body !== null && 'message' in body ? body.message : null;
    if (typeof message === 'string') return failed(`heapwarden at ${this.url} said: ${message}`);
    return failed(`what answers at ${this.url} (HTTP ${answer.status}) is not heapwarden. Name its address with --url`);
  }

  /** Relative, so that it also works behind a proxy's prefix. */
  #at(path: string): URL {
    return new URL(path, this.url.replace(/\/?$/, '/'));
  }
}

function tell(listener: Listener, event: string, data: unknown): void {
  if (event === 'status') listener.status(data as WardenStatus);
  else if (event === 'apps') listener.apps((data as { apps: AppStatus[] }).apps);
  else if (event === 'incidents') listener.incidents((data as { incidents: IncidentStatus[] }).incidents);
}

const isComplete = (told: Partial<Told>): told is Told => Boolean(told.status && told.apps && told.incidents);

const failed = (message: string): HeapwardenError => new HeapwardenError('REQUEST_FAILED', message);

function withRemedy(error: unknown): unknown {
  return error instanceof Unheard ? failed(`${error.message}. ${error.remedy}`) : error;
}
