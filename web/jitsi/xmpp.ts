/**
 * One XMPP stream to a deployment, over WebSocket (RFC 7395) or BOSH (XEP-0124, XEP-0206), by Strophe. What Strophe does:
 * framing, SASL, binding, stream management (XEP-0198). What this file adds: limits on what reaches a parser, IQs whose answer
 * must come from whom it was asked of, noticing a line that is dead although nobody closed it, and coming back.
 *
 * Signing in: SASL ANONYMOUS. A token travels as `token` in the address of the stream, because that is where Jitsi's Prosody
 * modules read it; so it never gets into an error, an event or storage.
 * Coming back: the same stream where the server lets us resume it (it does for `previd` in the address, or by itself), else
 * a new one, which `state` calls fresh: rooms have to be joined again, and IQs without an answer are rejected as `closed`.
 * Over BOSH the stream itself outlives requests that fail: Strophe repeats them. It is new when the server has forgotten it.
 *
 * Threads: main. Errors: JitsiError while connecting, StanzaError of IQs; afterwards `state`. Ownership: of the connection.
 */

import { type SMState, Strophe } from 'strophe.js';
import { Emitter } from '../call/emitter';
import {
  type Deployment,
  type DiscoInfo,
  type IqAnswer,
  JitsiError,
  type JitsiProblem,
  StanzaError,
  type XmppEvents,
  type XmppPort,
  type XmppState,
} from './types';
import {
  attr,
  checkXmlText,
  child,
  childrenOf,
  type DomElement,
  elements,
  readElement,
  textOf,
  writeElement,
  type XmlElement,
  x,
} from './xml';

const kClient = 'jabber:client';
const kStanzas = 'urn:ietf:params:xml:ns:xmpp-stanzas';
const kDisco = 'http://jabber.org/protocol/disco#info';
const kPing = 'urn:xmpp:ping';

const kConnectLimitMs = 10_000;
const kIqLimitMs = 15_000;
/** Quiet for so long: ask whether the line is alive; no answer for so long: it is dead. */
const kQuietMs = 8000;
const kPingLimitMs = 6000;
/** Prosody forgets a BOSH stream after 60 s without a request. */
const kBoshLimitMs = 55_000;
/** Of Strophe's count of attempts: the wait before the next is its cube in seconds. */
const kBoshSends = 2;
/** After an interruption: until then a way back is looked for. */
const kComeBackMs = 180_000;
const kBackoffMs = [300, 1000, 2000, 4000, 5000];
const kMaxDisco = 200;

export interface XmppOptions {
  deployment: Deployment;
  /** As the MUC has it; deployments with several servers route by it. */
  roomName: string;
  /** Asked before every new stream. */
  token?: string | (() => Promise<string>);
  transport?: 'auto' | 'websocket' | 'bosh';
}

type Transport = 'websocket' | 'bosh';
type Connection = InstanceType<typeof Strophe.Connection>;

/** Why an attempt to open a stream ended. */
class Attempt extends Error {
  constructor(readonly reason: 'unreachable' | 'resume-refused' | JitsiProblem) {
    super(reason);
  }
}

interface Waiting {
  to: string | undefined;
  resolve(answer: XmlElement): void;
  reject(error: StanzaError): void;
  timer: ReturnType<typeof setTimeout>;
}

/** What is used of Strophe's transports beyond their types: where text is about to be parsed. */
interface WebSocketTransport {
  _onMessage(message: MessageEvent): void;
  _onInitialMessage(message: MessageEvent): void;
  socket: WebSocket | null;
}
interface BoshRequest {
  xhr: XMLHttpRequest;
}
interface BoshTransport {
  _reqToData(request: BoshRequest): Element | null;
  _hitError(status: number): void;
  _requests: Array<{ sends: number }>;
}
interface Inside {
  _proto: Partial<WebSocketTransport & BoshTransport>;
  _doDisconnect(condition?: string): void;
  _onStreamResumptionFailed(element: Element): boolean;
}

/** State of the stream for XEP-0198, in memory: unasked, Strophe puts it with all stanzas into the session's storage. */
class StreamState {
  #text: string | undefined;

  load(): SMState | null {
    return this.#text === undefined ? null : JSON.parse(this.#text);
  }
  save(_key: string, state: unknown): void {
    this.#text = JSON.stringify(state);
  }
  clear(): void {
    this.#text = undefined;
  }
  get id(): string | undefined {
    return this.load()?.id ?? undefined;
  }
}

// Its log holds stanzas.
Strophe.setLogLevel(Strophe.LogLevel.FATAL);

/** What the server's words about a refused login mean. */
function loginProblem(text: string, hadToken: boolean): JitsiProblem {
  if (hadToken && /\bexp(ired|iry)?\b|not acceptable by exp/i.test(text)) return 'token-expired';
  return hadToken ? 'token-refused' : 'login-required';
}

export class XmppConnection extends Emitter<XmppEvents> implements XmppPort {
  readonly #options: XmppOptions;
  #conn: Connection | undefined;
  #transport: Transport | undefined;
  #streamState = new StreamState();
  #jid = '';
  #state: XmppState = 'connecting';
  #ids = 0;
  readonly #prefix = crypto.randomUUID().slice(0, 8);
  readonly #waiting = new Map<string, Waiting>();
  readonly #handlers = new Set<(stanza: XmlElement) => void>();
  readonly #iqHandlers = new Map<string, (iq: XmlElement, payload: XmlElement) => IqAnswer | Promise<IqAnswer>>();
  readonly #discos = new Map<string, Promise<DiscoInfo>>();
  /** Sent while there is no stream; flushed when it was resumed, dropped when it is fresh. */
  #unsent: XmlElement[] = [];
  #heardAt = 0;
  #pingSentAt = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #comingBack = false;
  #faltering = false;
  #wake: (() => void) | undefined;
  readonly #online = (): void => this.#wake?.();

  constructor(options: XmppOptions) {
    super();
    this.#options = options;
  }

  get jid(): string {
    return this.#jid;
  }

  get state(): XmppState {
    return this.#state;
  }

  /** Over what the stream runs; undefined before the first. */
  get transport(): Transport | undefined {
    return this.#transport;
  }

  /** Opens the first stream. Rejects with JitsiError. */
  async connect(): Promise<void> {
    const { deployment, transport = 'auto' } = this.#options;
    const ways: Transport[] = [];
    if (transport !== 'bosh' && deployment.websocket) ways.push('websocket');
    if (transport !== 'websocket' && deployment.bosh) ways.push('bosh');
    if (!ways.length) throw new JitsiError('bad-config');
    for (const way of ways) {
      try {
        await this.#open(way, false);
        this.#transport = way;
        this.#start();
        return;
      } catch (error) {
        if (!(error instanceof Attempt)) throw error;
        if (error.reason !== 'unreachable' && error.reason !== 'resume-refused') throw new JitsiError(error.reason);
      }
    }
    this.#state = 'closed';
    throw new JitsiError('xmpp-unreachable');
  }

  async #token(): Promise<string | undefined> {
    const { token } = this.#options;
    return typeof token === 'function' ? token() : token;
  }

  #address(way: Transport, token: string | undefined, previous: string | undefined): string {
    const { deployment, roomName } = this.#options;
    const url = new URL((way === 'websocket' ? deployment.websocket : deployment.bosh) as string);
    url.searchParams.set('room', roomName);
    if (token) url.searchParams.set('token', token);
    if (previous) url.searchParams.set('previd', previous);
    return url.href;
  }

  /** One attempt. `resume`: go on with the stream that was interrupted. */
  async #open(way: Transport, resume: boolean): Promise<void> {
    const token = await this.#token();
    const { deployment } = this.#options;
    const previous = resume ? this.#streamState.id : undefined;
    const address = this.#address(way, token, previous);
    let conn = resume ? this.#conn : undefined;
    if (conn) conn.service = address;
    else {
      this.#drop();
      this.#streamState = new StreamState();
      conn = new Strophe.Connection(address, {
        enableStreamManagement: way === 'websocket',
        streamManagement: { storage: this.#streamState },
        mechanisms: [Strophe.SASLAnonymous],
      });
      this.#conn = conn;
      this.#guard(conn);
    }
    // Handlers do not outlive a stream in Strophe.
    conn.addHandler((element: Element) => this.#heard(element), '', '', '', '', '');
    const current = conn;
    await new Promise<void>((resolve, reject) => {
      let settled = false;
      const end = (reason: Attempt['reason'] | undefined): void => {
        if (settled) return;
        settled = true;
        clearTimeout(limit);
        if (!reason) {
          resolve();
          return;
        }
        if (reason !== 'unreachable') this.#drop();
        reject(new Attempt(reason));
      };
      const limit = setTimeout(() => {
        (current as unknown as Inside)._doDisconnect();
        end('unreachable');
      }, kConnectLimitMs);
      const inside = current as unknown as Inside;
      // A stream that cannot be resumed must not be followed by a new one that repeats old stanzas: start from nothing.
      inside._onStreamResumptionFailed = () => {
        end('resume-refused');
        return false;
      };
      const domain = token ? deployment.domain : (deployment.anonymousDomain ?? deployment.domain);
      current.connect(domain, '', (status: number, condition?: string | null, element?: Element) => {
        if (this.#conn !== current) return;
        const { Status } = Strophe;
        if (status === Status.CONNECTED) {
          this.#jid = current.jid;
          end(undefined);
        } else if (status === Status.AUTHFAIL) {
          const text = element ? textOf(child(readElement(element as unknown as DomElement), 'text')) : '';
          end(loginProblem(`${condition ?? ''} ${text}`, !!token));
        } else if (status === Status.CONNFAIL || status === Status.CONNTIMEOUT || status === Status.ERROR) {
          end(condition === Strophe.ErrorCondition.NO_AUTH_MECH ? 'login-required' : 'unreachable');
        } else if (status === Status.DISCONNECTED) {
          if (settled) this.#interrupted();
          else end('unreachable');
        }
      });
    });
  }

  /** Text is looked at before any parser sees it, trees before any handler does. */
  #guard(conn: Connection): void {
    const inside = conn as unknown as Inside;
    const transport = inside._proto;
    const refuse = (): void => {
      // What this server sends cannot be trusted to be XMPP: no stream to it.
      setTimeout(() => {
        if (this.#conn === conn) this.#end('internal');
      });
    };
    for (const name of ['_onMessage', '_onInitialMessage'] as const) {
      const original = transport[name];
      if (!original) continue;
      transport[name] = (message: MessageEvent): void => {
        try {
          if (typeof message.data !== 'string') throw new StanzaError('bad-format');
          checkXmlText(message.data);
        } catch {
          refuse();
          return;
        }
        original.call(transport, message);
      };
    }
    // Strophe gives up after five failed requests, which is at once when the network is away.
    const hitError = transport._hitError;
    transport._hitError = (status: number): void => {
      // Until there is a connection it is Strophe's to count.
      if (this.#state === 'connecting') {
        hitError?.call(transport, status);
        return;
      }
      for (const request of transport._requests ?? []) request.sends = Math.min(request.sends, kBoshSends);
      if (this.#conn !== conn) return;
      this.#falter();
      if (Date.now() - this.#heardAt > kBoshLimitMs) inside._doDisconnect();
    };
    const reqToData = transport._reqToData;
    if (reqToData) {
      transport._reqToData = (request: BoshRequest): Element | null => {
        try {
          checkXmlText(request.xhr.responseText);
        } catch {
          refuse();
          return null;
        }
        return reqToData.call(transport, request);
      };
    }
  }

  #start(): void {
    this.#state = 'connected';
    this.#heardAt = Date.now();
    this.#timer ??= setInterval(() => this.#watch(), 1000);
    globalThis.addEventListener?.('online', this.#online);
  }

  #watch(): void {
    const bosh = this.#transport === 'bosh';
    if (this.#state !== 'connected' && !this.#faltering) return;
    const now = Date.now();
    if (this.#pingSentAt) {
      if (this.#heardAt >= this.#pingSentAt) this.#pingSentAt = 0;
      else if (now - this.#pingSentAt > (bosh ? kBoshLimitMs : kPingLimitMs)) {
        this.#pingSentAt = 0;
        // Nobody closed it, nobody answers. Strophe tells us through DISCONNECTED.
        (this.#conn as unknown as Inside | undefined)?._doDisconnect();
      } else if (bosh && now - this.#pingSentAt > kPingLimitMs) this.#falter();
    } else if (now - this.#heardAt > kQuietMs) {
      this.#pingSentAt = now;
      this.iq({ to: this.#options.deployment.domain, type: 'get', payload: x('ping', { xmlns: kPing }) }).catch(
        () => {},
      );
    }
  }

  #setState(state: XmppState, fresh: boolean, problem?: JitsiProblem): void {
    this.#state = state;
    this.emit('state', { state, fresh, ...(problem && { problem }) });
  }

  /** BOSH: requests fail or stay without answer, the stream may well go on. Ends when something is heard. */
  #falter(): void {
    if (this.#state !== 'connected') return;
    this.#faltering = true;
    this.#setState('interrupted', false);
    // So that there is something to hear as soon as requests get through again.
    this.#write(
      this.#withId(x('iq', { type: 'get', to: this.#options.deployment.domain }, x('ping', { xmlns: kPing }))),
    );
  }

  #interrupted(): void {
    if ((this.#state !== 'connected' && !this.#faltering) || this.#comingBack) return;
    this.#pingSentAt = 0;
    if (this.#faltering) this.#faltering = false;
    else this.#setState('interrupted', false);
    void this.#comeBack();
  }

  async #comeBack(): Promise<void> {
    this.#comingBack = true;
    const limit = Date.now() + kComeBackMs;
    let resume = this.#transport === 'websocket';
    for (let attempt = 0; this.#state === 'interrupted' && Date.now() < limit; ++attempt) {
      if (attempt) {
        const wait = kBackoffMs[Math.min(attempt - 1, kBackoffMs.length - 1)] as number;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          setTimeout(resolve, wait * (0.8 + 0.4 * Math.random()));
        });
        if (this.#state !== 'interrupted') break;
      }
      try {
        await this.#open(this.#transport as Transport, resume);
        if (this.#state !== 'interrupted') return;
        this.#comingBack = false;
        this.#back(!resume || !this.#conn?.hasResumed());
        return;
      } catch (error) {
        const reason = error instanceof Attempt ? error.reason : 'internal';
        if (reason === 'resume-refused') {
          resume = false;
          attempt = -1;
        } else if (reason !== 'unreachable') return this.#end(reason);
      }
    }
    if (this.#state === 'interrupted') this.#end('connection-lost');
  }

  #back(fresh: boolean): void {
    this.#heardAt = Date.now();
    const unsent = this.#unsent;
    this.#unsent = [];
    if (fresh) {
      this.#rejectAll('closed');
      this.#discos.clear();
    }
    this.#setState('connected', fresh);
    if (!fresh) for (const stanza of unsent) this.#write(stanza);
  }

  #end(problem: JitsiProblem): void {
    if (this.#state === 'closed') return;
    this.#release();
    this.#setState('closed', false, problem);
  }

  #release(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = undefined;
    globalThis.removeEventListener?.('online', this.#online);
    this.#rejectAll('closed');
    this.#unsent = [];
    this.#drop();
  }

  /** Ends the connection without a word to anybody. */
  #drop(): void {
    const conn = this.#conn;
    this.#conn = undefined;
    if (!conn) return;
    (conn as unknown as Inside)._doDisconnect();
    conn.reset();
  }

  #rejectAll(condition: string): void {
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new StanzaError(condition));
    }
    this.#waiting.clear();
  }

  #write(stanza: XmlElement): void {
    const conn = this.#conn;
    if (!conn) return;
    const text = writeElement(stanza.ns ? stanza : { ...stanza, ns: kClient });
    const element = new DOMParser().parseFromString(text, 'text/xml').documentElement;
    conn.send(element);
    conn.flush();
  }

  send(stanza: XmlElement): void {
    if (this.#state === 'closed') return;
    const named = attr(stanza, 'id') || stanza.name === 'presence' ? stanza : this.#withId(stanza);
    if (this.#state === 'interrupted') {
      if (this.#unsent.length < 500) this.#unsent.push(named);
      return;
    }
    this.#write(named);
  }

  #withId(stanza: XmlElement): XmlElement {
    return { ...stanza, attrs: { ...stanza.attrs, id: `${this.#prefix}-${++this.#ids}` } };
  }

  iq(options: { to?: string; type: 'get' | 'set'; payload: XmlElement; timeoutMs?: number }): Promise<XmlElement> {
    if (this.#state === 'closed') return Promise.reject(new StanzaError('closed'));
    const stanza = this.#withId(x('iq', { xmlns: kClient, type: options.type, to: options.to }, options.payload));
    const id = attr(stanza, 'id') as string;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new StanzaError('timeout'));
      }, options.timeoutMs ?? kIqLimitMs);
      this.#waiting.set(id, { to: options.to, resolve, reject, timer });
      this.send(stanza);
    });
  }

  onStanza(handler: (stanza: XmlElement) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  onIq(ns: string, handler: (iq: XmlElement, payload: XmlElement) => IqAnswer | Promise<IqAnswer>): () => void {
    this.#iqHandlers.set(ns, handler);
    return () => {
      if (this.#iqHandlers.get(ns) === handler) this.#iqHandlers.delete(ns);
    };
  }

  disco(jid: string): Promise<DiscoInfo> {
    const known = this.#discos.get(jid);
    if (known) return known;
    const asked = this.iq({ to: jid, type: 'get', payload: x('query', { xmlns: kDisco }) }).then(readDisco);
    asked.catch(() => this.#discos.delete(jid));
    if (this.#discos.size >= kMaxDisco) this.#discos.clear();
    this.#discos.set(jid, asked);
    return asked;
  }

  /** Always true: the handler stays. */
  #heard(element: Element): boolean {
    this.#heardAt = Date.now();
    if (this.#faltering) {
      this.#faltering = false;
      this.#back(false);
    }
    let stanza: XmlElement;
    try {
      stanza = readElement(element as unknown as DomElement);
    } catch {
      return true;
    }
    if (stanza.name === 'iq') this.#heardIq(stanza);
    else if (stanza.name === 'message' || stanza.name === 'presence') {
      for (const handler of [...this.#handlers]) {
        try {
          handler(stanza);
        } catch (error) {
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    }
    return true;
  }

  #heardIq(iq: XmlElement): void {
    const type = attr(iq, 'type');
    const id = attr(iq, 'id') ?? '';
    if (type === 'result' || type === 'error') {
      const waiting = this.#waiting.get(id);
      if (!waiting || !this.#answers(iq, waiting.to)) return;
      this.#waiting.delete(id);
      clearTimeout(waiting.timer);
      if (type === 'result') waiting.resolve(iq);
      else waiting.reject(stanzaError(iq));
      return;
    }
    if (type !== 'get' && type !== 'set') return;
    void this.#answer(iq, id);
  }

  /** An answer counts when it comes from whom was asked; without addressee from the own account or server. */
  #answers(iq: XmlElement, to: string | undefined): boolean {
    const from = attr(iq, 'from');
    if (to !== undefined) return from === to;
    const bare = this.#jid.split('/')[0];
    return from === undefined || from === this.#jid || from === bare || from === bare?.split('@')[1];
  }

  async #answer(iq: XmlElement, id: string): Promise<void> {
    const payload = elements(iq)[0];
    let answer: IqAnswer = new StanzaError('service-unavailable', 'cancel');
    const handler = payload && this.#iqHandlers.get(payload.ns);
    if (payload?.ns === kPing) answer = true;
    else if (payload && handler) {
      try {
        answer = await handler(iq, payload);
      } catch {
        answer = new StanzaError('internal-server-error', 'wait');
      }
    }
    const to = attr(iq, 'from');
    if (answer instanceof StanzaError) {
      const type = answer.type || 'cancel';
      const error = x('error', { type }, x(answer.condition, { xmlns: kStanzas }), ...elements(answer.stanza));
      this.send(x('iq', { xmlns: kClient, type: 'error', id, to }, error));
    } else this.send(x('iq', { xmlns: kClient, type: 'result', id, to }, answer === true ? undefined : answer));
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const conn = this.#conn;
    this.#state = 'closed';
    if (conn?.connected) {
      // Says goodbye; the transport is released whether it is heard or not.
      conn.disconnect();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    this.#release();
    this.clearListeners();
  }
}

/** The error of an IQ or presence as an exception. */
export function stanzaError(stanza: XmlElement): StanzaError {
  const error = child(stanza, 'error');
  const condition = elements(error).find((one) => one.ns === kStanzas && one.name !== 'text');
  return new StanzaError(condition?.name ?? 'undefined-condition', attr(error, 'type') ?? '', stanza);
}

/** Reads the result of a disco#info query; at most 500 features. */
export function readDisco(iq: XmlElement): DiscoInfo {
  const query = child(iq, 'query', kDisco);
  const identities = childrenOf(query, 'identity').slice(0, 50);
  const form = new Map<string, string>();
  for (const data of childrenOf(query, 'x', 'jabber:x:data').slice(0, 5)) {
    for (const field of childrenOf(data, 'field').slice(0, 100)) {
      const name = attr(field, 'var');
      if (name) form.set(name, textOf(child(field, 'value')));
    }
  }
  return {
    identities: identities.map((one) => {
      const name = attr(one, 'name');
      return { category: attr(one, 'category') ?? '', type: attr(one, 'type') ?? '', ...(name && { name }) };
    }),
    features: new Set(
      childrenOf(query, 'feature')
        .slice(0, 500)
        .map((one) => attr(one, 'var') ?? ''),
    ),
    form,
  };
}

/** Connects, or rejects with JitsiError. */
export async function connectXmpp(options: XmppOptions): Promise<XmppConnection> {
  const connection = new XmppConnection(options);
  await connection.connect();
  return connection;
}
