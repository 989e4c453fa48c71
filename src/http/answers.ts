/** How the answers are described; in a later version they may hold more than is named here. */
import Type, { type TSchema } from 'typebox';
import { REFUSALS, RESTART_REASONS } from '../decide/decision.js';
import { nullable } from '../publish/shape.js';

const FAILURES = {
  400: 'what was sent does not fit; the message says where',
  401: 'without the token, or with another; where the web config names users, reading takes one of them or the token',
  403: 'called by a name that is not its own, or by a page of another origin; see --web.allowed-host',
  404: 'not known here',
  409: 'all of it is refused; each decision says why',
  413: 'the body is too large, or holds too much',
  415: 'the body is not JSON',
  429: 'too many in the last minute, or more than the rate_limit of the web config; see Retry-After',
  500: 'it could not be done; the message says why. Everywhere, where the web config has become bad',
  503: 'starting, stopping or busy, or the disk cannot be written; try again',
} as const;
type Failure = keyof typeof FAILURES;

const problem = (description: string) => Type.Object({ error: Type.String(), message: Type.String() }, { description });

/** What any route may say: of the name it was called by, and as the web config has it. */
const ANYWHERE = [401, 403, 429, 500, 503] as const satisfies readonly Failure[];

/** A route's `response`: its answer, and with which statuses beside those of any route it says that there is none. */
export function answering(status: 200 | 202, answer: TSchema, failures: readonly Failure[] = []): Record<number, unknown> {
  const all: Failure[] = [...ANYWHERE, ...failures];
  return { [status]: answer, ...Object.fromEntries(all.map((code) => [code, problem(FAILURES[code])])) };
}

/** Of a body that was sent. */
export const BODY = [400, 413, 415] as const satisfies readonly Failure[];

/** For what is not JSON. */
export const content = (type: string, description: string) => ({
  description,
  content: { [type]: { schema: { type: 'string' } } },
}) as unknown as TSchema;

export const described = (description: string, properties: Record<string, TSchema>) => Type.Object(properties, { description });

export const RestartAnswer = Type.Object({
  app: Type.String(),
  worker: Type.String(),
  action: Type.Enum(['restart', 'refuse'] as const),
  reason: Type.Enum([...RESTART_REASONS, ...REFUSALS] as const),
  sentence: Type.String(),
  incident: nullable(Type.String(), 'its id'),
});

export const AlertAnswer = Type.Object({
  fingerprint: Type.String(),
  app: Type.String(),
  worker: nullable(Type.String()),
  decision: Type.String({ description: 'restart, a refusal, or ignored, resolved, invalid' }),
  sentence: Type.String(),
  incident: nullable(Type.String(), 'its id'),
});

export const PauseAnswer = Type.Object({
  app: Type.String(),
  paused: nullable(Type.Object({ until_seconds: nullable(Type.Number(), 'Unix time; null: until it is resumed') })),
});
