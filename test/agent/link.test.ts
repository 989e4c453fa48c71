/** How the agent keeps to a warden, and what it ends when there is none any more. */
import { createServer, Socket, type Server } from 'node:net';
import { join } from 'node:path';
import { mock } from 'node:test';
import t, { type Test } from 'tap';
import type { AgentSource } from '../../src/agent/connection.cjs';
import { Link } from '../../src/agent/link.cjs';
import { shortFolder, until } from './support.js';

const SOURCE: AgentSource = {
  hello: () => ({}) as never,
  stats: () => ({}) as never,
  drain: async () => true,
  isDeaf: () => false,
  arm: () => {},
  profile: () => {},
  collect: () => {},
  gather: () => [],
};

class Warden {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  readonly path: string;
  welcomes = 0;
  heard = '';

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.path = path;
    server.on('connection', (socket) => {
      this.#sockets.add(socket.on('error', () => {}).on('data', (chunk) => (this.heard += chunk.toString())));
      socket.write('{"type":"welcome","protocol":1,"stats_interval_ms":5000}\n', () => (this.welcomes += 1));
    });
  }

  static async listen(path: string): Promise<Warden> {
    const warden = new Warden(createServer(), path);
    await new Promise<void>((resolve) => warden.#server.listen(path, resolve));
    return warden;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** A link to wardens at `path`, and what was asked of the profiler for want of one. */
function linked(t: Test, forsakenMs: number): { path: string; profiled: boolean[] } {
  const path = join(shortFolder(t), 'agent.sock');
  const profiled: boolean[] = [];
  new Link({ ...SOURCE, profile: (on) => void profiled.push(on) }, () => [path], forsakenMs).open();
  return { path, profiled };
}

t.test('without a warden for long, allocations are not sampled any more', async (t) => {
  const { path, profiled } = linked(t, 500);
  const first = await Warden.listen(path);
  await until('the first welcome', () => first.welcomes > 0);
  t.strictSame(profiled, []);
  await first.close();
  await until('the profiler to be stopped', () => profiled.length > 0);
  const second = await Warden.listen(path);
  await until('the second welcome', () => second.welcomes > 0);
  await second.close();
  await until('the profiler to be stopped again', () => profiled.length > 1);
  t.strictSame(profiled, [false, false], 'once for each that has gone');
});

t.test('a warden that is restarted finds them sampled still', async (t) => {
  const { path, profiled } = linked(t, 60_000);
  for (let life = 0; life < 3; life++) {
    const warden = await Warden.listen(path);
    await until('a welcome', () => warden.welcomes > 0);
    await warden.close();
  }
  t.strictSame(profiled, []);
});

t.test('what an app puts in the place of timers and connections is not used', async (t) => {
  const warden = await Warden.listen(join(shortFolder(t), 'agent.sock'));
  t.teardown(() => warden.close());
  const { connect } = Socket.prototype;
  let traced = 0;
  mock.timers.enable({ apis: ['setInterval'] });
  Socket.prototype.connect = function (this: Socket, ...to: never[]): Socket {
    traced += 1;
    return Reflect.apply(connect, this, to) as Socket;
  } as typeof connect;
  t.teardown(() => {
    mock.timers.reset();
    Socket.prototype.connect = connect;
  });
  new Link(SOURCE, () => [warden.path]).open();
  await until('a heartbeat', () => warden.heard.includes('"beat"'));
  t.equal(traced, 0);
});
