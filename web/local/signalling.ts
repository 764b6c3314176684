/**
 * The connection to the signalling server: joins, relays, and comes back by itself when the connection or the server goes
 * away. It is only a messenger: a call that is connected does not need it.
 *
 * Threads: main. Errors: events, never exceptions. Cost: one WebSocket, one small message every 5 s.
 */
import { Emitter } from '../call/emitter';
import { readServerMessage, type ServerError, type ServerMessage } from './messages';

export interface SignallingEvents {
  welcome: {
    members: string[];
    max: number;
    /** first: we just joined. resumed: same place as before. restarted: another server process, nobody was told that we
     * left. evicted: we were away too long, the others were told that we left. */
    how: 'first' | 'resumed' | 'restarted' | 'evicted';
  };
  joined: string;
  left: string;
  relay: { from: string; body: string };
  /** After `duplicate` the connection waits for takeOver(); after the others it is closed for good. */
  refused: { code: ServerError; max?: number };
  replaced: undefined;
  /** away: not connected, trying again by itself. */
  status: 'connecting' | 'open' | 'away' | 'closed';
}

export interface SignallingOptions {
  url: string;
  room: string;
  member: string;
  client: string;
  /** For tests. */
  createSocket?: (url: string) => WebSocket;
  pingMs?: number;
  silenceMs?: number;
  firstRetryMs?: number;
  maxRetryMs?: number;
}

export class Signalling extends Emitter<SignallingEvents> {
  readonly #options: Required<SignallingOptions>;
  #socket: WebSocket | undefined;
  #status: SignallingEvents['status'] = 'connecting';
  #token: string | undefined;
  #instance: string | undefined;
  #failures = 0;
  #heardAt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  readonly #wake = () => {
    if (this.#status === 'away') this.#open();
  };

  constructor(options: SignallingOptions) {
    super();
    this.#options = {
      createSocket: (url) => new WebSocket(url),
      pingMs: 5000,
      silenceMs: 12_000,
      firstRetryMs: 400,
      maxRetryMs: 8000,
      ...options,
    };
  }

  get status(): SignallingEvents['status'] {
    return this.#status;
  }

  connect(): void {
    globalThis.addEventListener?.('online', this.#wake);
    this.#ping = setInterval(() => this.#beat(), this.#options.pingMs);
    this.#open();
  }

  /** False when not connected: the caller sends it again after the next `welcome`, or not at all. */
  relay(to: string, body: string): boolean {
    return this.#send('relay', { to, body });
  }

  /** Answer to `duplicate`: the other tab is put out. */
  takeOver(): void {
    this.#join(true);
  }

  /** Try at once instead of waiting for the next attempt. */
  retryNow(): void {
    this.#wake();
  }

  /** Leaves the room and ends the connection. */
  close(): void {
    if (this.#status === 'closed') return;
    this.#send('leave', {});
    this.#end();
  }

  #end(): void {
    globalThis.removeEventListener?.('online', this.#wake);
    clearTimeout(this.#retry);
    clearInterval(this.#ping);
    this.#socket?.close(1000);
    this.#socket = undefined;
    this.#token = undefined;
    this.#set('closed');
  }

  #set(status: SignallingEvents['status']): void {
    if (status === this.#status) return;
    this.#status = status;
    this.emit('status', status);
  }

  #open(): void {
    clearTimeout(this.#retry);
    if (this.#status === 'closed') return;
    let socket: WebSocket;
    try {
      socket = this.#options.createSocket(this.#options.url);
    } catch {
      this.#away();
      return;
    }
    this.#socket = socket;
    const current = () => socket === this.#socket;
    socket.onopen = () => {
      if (current()) this.#join(false);
    };
    socket.onmessage = (event) => {
      if (current()) this.#receive(event.data);
    };
    socket.onclose = () => {
      if (current()) this.#away();
    };
    socket.onerror = () => {}; // 'close' follows
    this.#heardAt = performance.now();
  }

  #away(): void {
    this.#socket = undefined;
    if (this.#status === 'closed') return;
    this.#set('away');
    // Doubling, and spread out so that a room does not come back all at once.
    const wait = Math.min(this.#options.maxRetryMs, this.#options.firstRetryMs * 2 ** Math.min(this.#failures++, 10));
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), wait * (0.5 + Math.random() / 2));
  }

  #beat(): void {
    const socket = this.#socket;
    if (!socket) return;
    if (performance.now() - this.#heardAt > this.#options.silenceMs) {
      this.#socket = undefined;
      socket.close();
      this.#away();
      return;
    }
    if (this.#status === 'open') this.#send('ping', {});
  }

  #join(takeover: boolean): void {
    const { room, member, client } = this.#options;
    this.#send('join', { room, member, client, ...(this.#token ? { token: this.#token } : {}), takeover });
  }

  #send(kind: string, data: object): boolean {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify({ kind, data }));
    return true;
  }

  #receive(text: unknown): void {
    const message = readServerMessage(text);
    if (!message) return;
    this.#heardAt = performance.now();
    switch (message.kind) {
      case 'welcome':
        this.#welcome(message.data);
        break;
      case 'joined':
      case 'left':
        this.emit(message.kind, message.data.member);
        break;
      case 'relay':
        this.emit('relay', message.data);
        break;
      case 'replaced':
        this.#end();
        this.emit('replaced', undefined);
        break;
      case 'error':
        // A limit passes; anything else stays true however often we try.
        if (message.data.code === 'rate') break;
        if (message.data.code !== 'duplicate') this.#end();
        this.emit('refused', message.data);
        break;
      case 'pong':
        break;
    }
  }

  #welcome(data: (ServerMessage & { kind: 'welcome' })['data']): void {
    if (data.member !== this.#options.member) return;
    const known = this.#instance !== undefined;
    const how = !known
      ? 'first'
      : data.resumed
        ? 'resumed'
        : data.instance === this.#instance
          ? 'evicted'
          : 'restarted';
    this.#instance = data.instance;
    this.#token = data.token;
    this.#failures = 0;
    this.#set('open');
    this.emit('welcome', { members: data.members.filter((id) => id !== data.member), max: data.max, how });
  }
}
