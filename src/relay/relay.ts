import { describeDamage, describeMoved } from '../act/journal.js';
import { StateLock } from '../act/lock.js';
import { whyUnsafe } from '../act/state-folder.js';
import { createMeter } from '../agent/meter.cjs';
import type { Clock } from '../clock.js';
import type { Webhook } from '../decide/alerts.js';
import { HeapwardenError, messageOf } from '../errors.js';
import { alertsRoute } from '../http/alerts.js';
import { managementRoutes } from '../http/management.js';
import { metricsRoute } from '../http/metrics.js';
import { hostRules } from '../http/hosts.js';
import { closeServer, createServer, listen, parseListenAddress } from '../http/server.js';
import { SparseLog } from '../sparse-log.js';
import { ensureToken, readToken } from '../http/token.js';
import type { WebConfigFile } from '../http/web-config/web-config-file.js';
import type { Log } from '../log.js';
import { processSource } from '../observe/processes.js';
import { render, type Exposition } from '../publish/render.js';
import { SelfMetrics } from '../publish/self.js';
import { formatBytes } from '../units.js';
import { Brakeman } from './brakeman.js';
import { Courier } from './courier.js';
import { deliveriesRoute, type DeliveryStatus } from './deliveries-route.js';
import { Fleet } from './fleet.js';
import { deliveryOf, isOver, Queue, relayed, type Delivery, type RelayedAlert } from './queue.js';
import { RelayCounters, relayFamilies, type Undeliverable } from './relay-metrics.js';
import { RelayJournal } from './relay-journal.js';
import type { RelayConfig } from './schema.js';
import { TargetList } from './target-list.js';
import { Wardens } from './wardens.js';

export interface RelayOptions {
  version: string;
  config: RelayConfig;
  /** TLS and users; null or absent: neither. */
  webConfig?: WebConfigFile | null;
  /** Names by which it may be called beside its own. */
  allowedHosts?: readonly string[];
  clock: Clock;
  log: Log;
}

/**
 * What became of one alert: `waits` on disk for another attempt, `held` by the brake, `over` where it has resolved and
 * is for nobody, or a cause of Undeliverable.
 */
export interface RelayAnswer {
  fingerprint: string;
  instance: string | null;
  result: 'delivered' | 'waits' | 'held' | 'over' | Undeliverable;
}

type Placed = Omit<RelayAnswer, 'result'> & { result: Delivery | 'over' | Undeliverable };

/** Milliseconds that wardens have for their answer before the alerts go to disk; Alertmanager gives a webhook 10 s. */
const PATIENCE_MS = 4000;
const SWEEP_EVERY_MS = 30_000;

/** One webhook for many wardens. */
export class Relay {
  url = '';
  readonly #options: RelayOptions;
  readonly #journal: RelayJournal;
  readonly #queue = new Queue();
  readonly #counters: RelayCounters;
  readonly #targets: TargetList;
  readonly #courier: Courier;
  readonly #brakeman: Brakeman | null;
  readonly #meter = createMeter();
  readonly #processes = processSource();
  readonly #self = new SelfMetrics(this.#meter, () => this.#processes.openFds(process.pid));
  readonly #sparse: SparseLog;
  readonly #closing = new AbortController();
  readonly #opened: (() => unknown)[] = [];
  #ready = false;

  private constructor(options: RelayOptions, journal: RelayJournal, counters: RelayCounters, wardens: Wardens) {
    const { config, clock, log } = options;
    this.#options = options;
    this.#journal = journal;
    this.#counters = counters;
    this.#sparse = new SparseLog(log);
    this.#targets = new TargetList({ config: config.targets, scheme: config.wardens.scheme, clock, log });
    const targets = () => this.#targets.all;
    const { concurrency, retry, brake } = config;
    const queue = this.#queue;
    this.#courier = new Courier({
      queue, wardens, targets, retry, concurrency, clock, random: Math.random,
      onDelivered: (delivery, decisions) => this.#delivered(delivery, decisions),
      onFailed: (delivery, mayHaveArrived) => delivery.isBraked && this.#brakeman?.failed(delivery, mayHaveArrived),
      onRefused: (delivery, why) => this.#giveUp(delivery, 'refused', why),
      onOver: (delivery) => this.#remove(delivery),
      onRequest: (verdict, { instance }, problem) => {
        counters.request(verdict);
        if (problem !== null) this.#sparse.warn(`warden ${instance}`, `${instance}: ${problem}`, { instance });
      },
    });
    const fleet = new Fleet({ wardens, targets, concurrency, clock });
    const deliver = (instance: string) => this.#courier.deliver(instance);
    this.#brakeman = brake ? new Brakeman({ config: brake, queue, fleet, targets, clock, deliver }) : null;
  }

  /** Resolves when it listens. Throws HeapwardenError, and leaves nothing open then. */
  static async start(options: RelayOptions): Promise<Relay> {
    const { config, log } = options;
    const lock = await StateLock.take(config.state_dir, processSource());
    const closers: (() => unknown)[] = [() => lock.release()];
    try {
      const unsafe = await whyUnsafe(config.state_dir);
      if (unsafe !== null) log.warn(unsafe);
      const wardens = await Wardens.open(config.wardens);
      const counters = new RelayCounters();
      const { journal, content, setAside } = await RelayJournal.open(
        config.state_dir,
        () => counters.journalError(),
        { onMoved: (path) => log.warn(describeMoved(path)) },
      );
      closers.push(() => journal.close());
      if (content.damaged > 0) log.warn(describeDamage({ content, setAside }));
      const relay = new Relay(options, journal, counters, wardens);
      relay.#opened.push(...closers.splice(0));
      await relay.#start(content.held);
      return relay;
    } catch (error) {
      for (const close of closers.toReversed()) await close();
      throw error;
    }
  }

  isReady(): boolean {
    return this.#ready && this.#targets.isKnown;
  }

  token(): Promise<string> {
    const { auth, state_dir: stateDir } = this.#options.config;
    return readToken(auth.token_file, { stateDir });
  }

  /** Reads the list of targets anew. The config itself takes a restart. Throws HeapwardenError. */
  async reload(): Promise<void> {
    await this.#targets.refresh();
    if (this.#targets.problem !== null) throw new HeapwardenError('CONFIG_UNREADABLE', this.#targets.problem);
  }

  /**
   * Resolves when every warden has answered, or what it has not answered is on disk. Throws HeapwardenError
   * QUEUE_FULL or JOURNAL_UNWRITABLE, after which Alertmanager sends it again.
   */
  async receiveAlerts({ alerts }: Webhook): Promise<RelayAnswer[]> {
    const { clock, config } = this.#options;
    this.#counters.received(alerts.length);
    const answers = alerts.map((alert) => this.#place(relayed(alert)));
    const fresh = answers.flatMap(({ result }) => (typeof result === 'string' ? [] : [result]));
    // What takes no more room is taken also above the limit, as after it has been lowered.
    const growth = this.#queue.growth(fresh);
    if (growth > 0 && this.#queue.bytes + growth > config.queue_limit) throw this.#full();
    const queued = new Map(fresh.map((delivery) => [delivery, this.#queue.put(delivery)]));

    const answered = new AbortController();
    const instances = new Set([...queued.values()].filter(({ isHeld }) => !isHeld).map(({ instance }) => instance));
    const attempts = Promise.all([...instances].map((instance) => this.#courier.deliver(instance)));
    await Promise.race([attempts, clock.sleep(PATIENCE_MS, answered.signal)]);
    answered.abort();
    await this.#keep([...queued.values()]);
    this.#brakeman?.wake();
    return answers.map(({ result, ...answer }) => {
      const delivery = typeof result === 'string' ? null : queued.get(result)!;
      if (delivery === null) return { ...answer, result: result as Exclude<typeof result, Delivery> };
      return { ...answer, result: !this.#queue.has(delivery) ? 'delivered' : delivery.isHeld ? 'held' : 'waits' };
    });
  }

  async metrics(exposition: Exposition): Promise<Buffer> {
    const { version, log } = this.#options;
    const targets = { count: this.#targets.all.size, isGood: this.#targets.problem === null };
    const collectors = [
      { name: 'relay', collect: () => relayFamilies({ version, queue: this.#queue, targets }) },
      { name: 'counters', collect: () => this.#counters.families() },
      { name: 'self', collect: () => this.#self.families() },
    ];
    return render(collectors, new Map(), exposition, (collector, error) =>
      log.error(`collector ${collector} failed: ${messageOf(error)}`, { collector }),
    );
  }

  /** What has not been delivered, oldest first. */
  deliveries(): DeliveryStatus[] {
    const oldestFirst = this.#queue.all().toSorted((a, b) => a.sinceMs - b.sinceMs);
    return oldestFirst.map(({ instance, alert: { fingerprint, status, labels }, sinceMs, attempts, isHeld, problem }) => ({
      instance, fingerprint, status, labels, since_seconds: sinceMs / 1000, attempts, held: isHeld, problem,
    }));
  }

  /** What is under way gets its answer; what has not been delivered is on disk. */
  async close(): Promise<void> {
    this.#ready = false;
    for (const close of this.#opened.splice(0).toReversed()) {
      await Promise.resolve(close()).catch((error: unknown) => this.#options.log.error(messageOf(error)));
    }
  }

  async #start(held: readonly Pick<Delivery, 'instance' | 'alert' | 'sinceMs'>[]): Promise<void> {
    const { version, config, webConfig = null, allowedHosts = [], clock, log } = this.#options;
    this.#opened.push(() => this.#meter.close(), () => this.#self.close(), () => this.#processes.close?.());
    try {
      await ensureToken(config.auth.token_file, { stateDir: config.state_dir });
      const routes = [metricsRoute(this, '/metrics'), managementRoutes(this), alertsRoute(this, log), deliveriesRoute(this)];
      const address = parseListenAddress(config.listen)!;
      const web = webConfig ? { file: webConfig, token: () => this.token(), clock } : undefined;
      const server = createServer(routes, { version, log, hosts: hostRules(address.host, allowedHosts), web });
      this.url = await listen(server, address, webConfig?.usesTls);
      this.#opened.push(() => this.#courier.close(), () => this.#brakeman?.close(), () => this.#targets.close());
      this.#opened.push(() => this.#closing.abort(), () => closeServer(server));
      await this.#targets.start();
      // As if just heard: it may have been off for long, and the wardens measure again before they act.
      for (const { instance, alert, sinceMs } of held) {
        const delivery = deliveryOf(instance, alert, clock, config.brake !== undefined);
        this.#queue.put({ ...delivery, sinceMs, isOnDisk: true });
      }
      if (held.length > 0) log.info(`${held.length} alerts were not delivered yet`);
      void this.#sweep();
      this.#brakeman?.wake();
      this.#ready = true;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  #place(alert: RelayedAlert): Placed {
    const { fingerprint, labels } = alert;
    const instance = labels['instance'] || null;
    if (instance !== null && this.#targets.all.has(instance)) {
      const delivery = deliveryOf(instance, alert, this.#options.clock, this.#brakeman !== null);
      return { fingerprint, instance, result: delivery };
    }
    if (isOver(alert)) {
      this.#forget(instance, alert);
      return { fingerprint, instance, result: 'over' };
    }
    const cause = instance === null ? 'no_instance' : 'unknown_instance';
    const named = `an alert is for ${JSON.stringify(instance?.slice(0, 200))}, which is no target`;
    const what = instance === null ? 'an alert has no instance label' : named;
    this.#counters.undeliverable(cause);
    this.#sparse.warn(cause, `${what}; nobody is called`);
    return { fingerprint, instance, result: cause };
  }

  /** What waits of it: a machine that has left the list may have had it firing. */
  #forget(instance: string | null, { fingerprint }: RelayedAlert): void {
    const waiting = instance === null ? [] : this.#queue.of(instance);
    for (const delivery of waiting) if (delivery.alert.fingerprint === fingerprint) this.#remove(delivery);
  }

  /** On disk, where it is not and is not delivered yet. */
  async #keep(deliveries: readonly Delivery[]): Promise<void> {
    const unkept = deliveries.filter((delivery) => this.#queue.has(delivery) && !delivery.isOnDisk);
    try {
      await this.#journal.hold(unkept);
    } catch (error) {
      this.#counters.journalError();
      throw error;
    }
    for (const delivery of unkept) delivery.isOnDisk = true;
  }

  #delivered(delivery: Delivery, decisions: string[] | null): void {
    if (delivery.isBraked && this.#brakeman && !this.#brakeman.answered(delivery, decisions)) return;
    this.#remove(delivery);
  }

  #giveUp(delivery: Delivery, cause: Undeliverable, why: string): void {
    const { instance, alert } = delivery;
    if (!this.#remove(delivery)) return;
    if (delivery.isBraked) this.#brakeman?.givenUp(delivery);
    if (isOver(alert)) return; // nobody misses a restart for it
    this.#counters.undeliverable(cause);
    const name = alert.labels['alertname'] ?? 'an alert';
    this.#sparse.error(`${cause} ${instance}`, `${name} for ${instance} is given up (${cause}): ${why}`, { instance, cause });
  }

  #remove(delivery: Delivery): boolean {
    if (!this.#queue.remove(delivery)) return false;
    this.#journal.done(delivery);
    return true;
  }

  /** Gives up what is too old, and calls whom nobody calls. */
  async #sweep(): Promise<void> {
    const { clock, config } = this.#options;
    while (!this.#closing.signal.aborted) {
      if (this.#targets.isKnown) this.#sweepOnce(clock.monotonic() - config.retry.max_age);
      await clock.sleep(SWEEP_EVERY_MS, this.#closing.signal);
    }
  }

  #sweepOnce(oldest: number): void {
    for (const delivery of this.#queue.all()) {
      if (delivery.heardAt < oldest) this.#giveUp(delivery, 'expired', delivery.problem ?? 'it was never tried');
    }
    for (const instance of this.#queue.instances()) void this.#courier.deliver(instance);
  }

  #full(): HeapwardenError {
    const limit = formatBytes(this.#options.config.queue_limit);
    const message = `${this.#queue.length} alerts wait already, and their queue_limit is ${limit}; send this one again later`;
    this.#sparse.error('full', `no more alerts are taken: ${message}`);
    return new HeapwardenError('QUEUE_FULL', message);
  }
}
