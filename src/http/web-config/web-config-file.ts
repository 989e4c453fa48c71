import { createServer, type Server, type TLSSocket } from 'node:tls';
import { resolve } from 'node:path';
import { readText } from '../../config/load.js';
import { HeapwardenError } from '../../errors.js';
import { whyRefused } from './client-certificate.js';
import { parseWebConfig, type ParsedWebConfig, type WebConfig } from './parse.js';
import { materialOf, readTexts, tlsOptions, type Texts } from './tls-options.js';

/** Milliseconds for a TLS handshake. */
const HANDSHAKE_MS = 10_000;

/** What does the handshakes of one state of the web config and its certificates. */
interface Engine {
  parsed: ParsedWebConfig;
  texts: Texts;
  server: Server;
}

/** The web config as it is on disk now: read at every request, its certificates at every connection. */
export class WebConfigFile {
  /** Whether it asks for TLS; that cannot change while the port is open. */
  readonly usesTls: boolean;
  readonly file: string;
  #read: { text: string; parsed: ParsedWebConfig };
  #engine: Engine | null = null;

  private constructor(file: string, read: { text: string; parsed: ParsedWebConfig }) {
    this.file = file;
    this.#read = read;
    this.usesTls = read.parsed.config.tls !== null;
  }

  /** Throws ConfigError with every problem in it, and HeapwardenError CONFIG_UNREADABLE. */
  static async open(path: string): Promise<WebConfigFile> {
    const file = resolve(path);
    const text = await readText(file, '--web.config.file');
    const parsed = parseWebConfig(text, file);
    if (parsed.config.tls) materialOf(parsed, await readTexts(parsed.config.tls));
    return new WebConfigFile(file, { text, parsed });
  }

  /** Throws as `open` does, for a file that has become bad. */
  async current(): Promise<WebConfig> {
    return (await this.#parsed()).config;
  }

  /**
   * A TLS server that listens nowhere: whoever emits 'connection' on it gets `onSecure` for each client that passes the
   * handshake. Throws as `open` does, and where the file asks for TLS no more.
   */
  async engine(onSecure: (socket: TLSSocket) => void, onRefused: (why: string) => void): Promise<Server> {
    const parsed = await this.#parsed();
    const { tls } = parsed.config;
    if (!tls) {
      const message = `${this.file} has no certificate any more, and a port that speaks TLS goes on doing so; restart heapwarden for that`;
      throw new HeapwardenError('CONFIG_NEEDS_RESTART', message);
    }
    const texts = await readTexts(tls);
    // From here on nothing is awaited: of all who come at once, one pays for what is new.
    const known = this.#engine;
    if (known?.parsed === parsed && isSame(known.texts, texts)) return known.server;
    const server = createServer({ ...tlsOptions(tls, materialOf(parsed, texts)), handshakeTimeout: HANDSHAKE_MS });
    server.on('secureConnection', (socket) => {
      const why = whyRefused(tls, { certificate: socket.getPeerX509Certificate() ?? null, isVerified: socket.authorized });
      if (why === null) return onSecure(socket);
      socket.destroy();
      onRefused(why);
    });
    server.on('tlsClientError', (error, socket) => {
      socket.destroy();
      onRefused(error.message);
    });
    this.#engine = { parsed, texts, server };
    return server;
  }

  async #parsed(): Promise<ParsedWebConfig> {
    const text = await readText(this.file, '--web.config.file');
    if (text !== this.#read.text) this.#read = { text, parsed: parseWebConfig(text, this.file) };
    return this.#read.parsed;
  }
}

const isSame = (a: Texts, b: Texts): boolean => a.cert === b.cert && a.key === b.key && a.client_ca === b.client_ca;
