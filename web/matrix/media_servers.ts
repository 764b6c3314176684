/**
 * The connections of a call: one to our own media server, which sends and receives, and one to each other server that members
 * send to. Each has a worker of its own.
 *
 * Threads: main. Ownership: owns connections and their ciphers. Errors: `connect` rejects with MatrixError; the other servers
 * are tried until they are no longer needed; `failed` says that a worker is gone, which ends the call.
 */
import { Emitter } from '../call';
import type { LiveKitCipherApi, SecurityWarning } from '../livekit';
import type { StatsSnapshot } from '../media/types';
import { MatrixError } from './errors';
import { type SentMedia, SfuConnection, type SfuOptions } from './sfu';
import type { Ticket } from './transports';
import type { CallMode, VideoCodec } from './types';

const kRetryMs = 3000;
const kMaxServers = 8;

/** What a call needs of a connection; SfuConnection is the real one. */
export type MediaConnection = Pick<
  SfuConnection,
  | 'service'
  | 'state'
  | 'connectedFor'
  | 'identity'
  | 'identities'
  | 'received'
  | 'setOwnKey'
  | 'setKey'
  | 'want'
  | 'show'
  | 'laneOf'
  | 'connect'
  | 'retryNow'
  | 'close'
  | 'on'
>;

export interface MediaServersOptions {
  /** A ticket for the media server of this token service; `mode` as in TicketOptions. */
  ticket(service: string, mode: CallMode | undefined): Promise<Ticket>;
  mode: CallMode;
  media: SentMedia;
  /** Asked when the connection that sends is made. */
  codec(): VideoCodec;
  /** Of our own server's connection. */
  cipher: LiveKitCipherApi;
  /** One for each other server. */
  newCipher(): LiveKitCipherApi;
  /** Default: SfuConnection. */
  createConnection?: ((options: SfuOptions) => MediaConnection) | undefined;
}

export interface MediaServersEvents {
  change: undefined;
  stats: { connection: MediaConnection; snapshot: StatsSnapshot };
  warning: { connection: MediaConnection; warning: SecurityWarning };
  speakers: { connection: MediaConnection; identities: string[] };
  failed: unknown;
  /** As SfuEvents, of our own server. */
  replaced: undefined;
  /** `of` says something else for some service. */
  moved: undefined;
}

export class MediaServers extends Emitter<MediaServersEvents> {
  readonly #options: MediaServersOptions;
  readonly #others = new Map<string, MediaConnection>();
  /** Other addresses of our own server. */
  readonly #same = new Set<string>();
  #own: MediaConnection | undefined;
  #ownTicket: Ticket | undefined;
  #ownKey: { index: number; key: CryptoKey } | undefined;

  constructor(options: MediaServersOptions) {
    super();
    this.#options = options;
  }

  get own(): MediaConnection | undefined {
    return this.#own;
  }
  get all(): MediaConnection[] {
    return [...(this.#own ? [this.#own] : []), ...this.#others.values()];
  }

  /** Where somebody is received who sends to this service. */
  of(service: string | undefined): MediaConnection | undefined {
    if (service === undefined) return undefined;
    return service === this.#own?.service || this.#same.has(service) ? this.#own : this.#others.get(service);
  }

  /** The connection that sends. It connects when it is told to. Throws MatrixError when it was another one before. */
  openOwn(service: string): MediaConnection {
    if (this.#own && this.#own.service !== service) throw new MatrixError('internal');
    this.#own ??= this.#open(service, this.#options.cipher, true);
    if (this.#ownKey) this.#own.setOwnKey(this.#ownKey.index, this.#ownKey.key);
    return this.#own;
  }

  /** Our newest key; sealed with from now on. */
  setOwnKey(index: number, key: CryptoKey): void {
    this.#ownKey = { index, key };
    this.#own?.setOwnKey(index, key);
  }

  /** Connects to these beside our own, to a few at most, and ends the others. */
  need(services: Iterable<string | undefined>): void {
    const needed = new Set<string>();
    for (const service of services)
      if (service !== undefined && this.of(service) !== this.#own && needed.size < kMaxServers) needed.add(service);
    for (const [service, connection] of this.#others) {
      if (needed.has(service)) continue;
      this.#others.delete(service);
      void connection.close();
    }
    for (const service of needed) {
      if (this.#others.has(service)) continue;
      let cipher: LiveKitCipherApi;
      try {
        cipher = this.#options.newCipher();
      } catch (error) {
        this.emit('failed', error);
        return;
      }
      const connection = this.#open(service, cipher, false);
      this.#others.set(service, connection);
      void this.#keepConnecting(connection);
    }
  }

  retryNow(): void {
    for (const connection of this.all) connection.retryNow();
  }

  /** Resolves when all workers have wiped their keys. */
  async close(): Promise<void> {
    const connections = this.all;
    this.#ownKey = undefined;
    this.#others.clear();
    this.clearListeners();
    await Promise.all([
      ...connections.map((connection) => connection.close()),
      this.#options.cipher.close().catch(() => {}),
    ]);
  }

  #open(service: string, cipher: LiveKitCipherApi, sends: boolean): MediaConnection {
    const { media, codec, createConnection } = this.#options;
    const options: SfuOptions = {
      service,
      cipher,
      ticket: () => (sends ? this.#ownTicketFor(service) : this.#otherTicket(service)),
      ...(sends ? { media, codec: codec() } : {}),
    };
    const connection = createConnection?.(options) ?? new SfuConnection(options);
    connection.on('change', () => this.emit('change', undefined));
    connection.on('stats', (snapshot) => this.emit('stats', { connection, snapshot }));
    connection.on('warning', (warning) => this.emit('warning', { connection, warning }));
    connection.on('speakers', (identities) => this.emit('speakers', { connection, identities }));
    connection.on('failed', (error) => this.emit('failed', error));
    if (sends) connection.on('replaced', () => this.emit('replaced', undefined));
    return connection;
  }

  async #ownTicketFor(service: string): Promise<Ticket> {
    this.#ownTicket = await this.#options.ticket(service, this.#options.mode);
    return this.#ownTicket;
  }

  async #otherTicket(service: string): Promise<Ticket> {
    const ticket = await this.#options.ticket(service, undefined);
    const own = this.#ownTicket;
    if (ticket.url !== own?.url || ticket.identity !== own.identity) return ticket;
    // Two token services of one media server: a second connection under our name would throw out the first.
    const connection = this.#others.get(service);
    this.#others.delete(service);
    this.#same.add(service);
    this.emit('moved', undefined);
    void connection?.close();
    throw new MatrixError('internal');
  }

  async #keepConnecting(connection: MediaConnection): Promise<void> {
    while (this.#others.get(connection.service) === connection) {
      try {
        await connection.connect();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, kRetryMs));
      }
    }
  }
}
