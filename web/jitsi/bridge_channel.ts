/**
 * What client and bridge say to each other beside media: which pictures are wanted, who speaks, messages among participants.
 * Over a WebSocket (`colibri-ws`), or a data channel. All of it is readable and forgeable by the operator, so nothing here
 * decides about encryption.
 *
 * Source: lib-jitsi-meet modules/RTC/BridgeChannel (behaviour), tests/vectors/jitsi-wire bridge-channel files. Threads: main.
 */
import { Emitter } from '../call/emitter';
import { isLoopback } from '../call/hosts';
import { kEndpointId } from './presence';
import type { ReceiverConstraints, SessionEvents } from './types';

const kMaxMessage = 200_000;
const kBackoffMs = [500, 1000, 2000, 5000, 10_000];
const kSourceName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

export type BridgeEvents = Pick<
  SessionEvents,
  'dominantSpeaker' | 'senderConstraints' | 'forwarded' | 'endpointMessage'
> & {
  open: undefined;
};

/** The bridge's address: TLS, except where the deployment itself (`local`) is this computer. */
export function checkChannelUrl(text: string, local: boolean): URL | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  if (url.username || url.password || url.hash) return undefined;
  return url.protocol === 'wss:' || (url.protocol === 'ws:' && local && isLoopback(url.hostname)) ? url : undefined;
}

/** ReceiverVideoConstraints as the bridge takes them. */
export function writeConstraints(constraints: ReceiverConstraints): Record<string, unknown> {
  return {
    colibriClass: 'ReceiverVideoConstraints',
    lastN: constraints.lastN,
    selectedSources: constraints.selected,
    onStageSources: constraints.onStage,
    defaultConstraints: { maxHeight: constraints.defaultMaxHeight },
    constraints: Object.fromEntries([...constraints.maxHeights].map(([name, maxHeight]) => [name, { maxHeight }])),
  };
}

export class BridgeChannel extends Emitter<BridgeEvents> {
  readonly #url: URL | undefined;
  #socket: WebSocket | undefined;
  #data: RTCDataChannel | undefined;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** Newest of each kind, said again on a new connection. */
  readonly #standing = new Map<string, Record<string, unknown>>();

  constructor(over: { url: URL } | { channel: RTCDataChannel }) {
    super();
    if ('url' in over) {
      this.#url = over.url;
      this.#connect();
    } else this.#use(over.channel);
  }

  get open(): boolean {
    return this.#socket?.readyState === 1 || this.#data?.readyState === 'open';
  }

  #connect(): void {
    if (this.#closed || !this.#url) return;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#attempt = 0;
      this.#opened();
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') this.#heard(data);
    };
    socket.onclose = () => {
      if (this.#socket !== socket || this.#closed) return;
      this.#socket = undefined;
      const wait = kBackoffMs[Math.min(this.#attempt++, kBackoffMs.length - 1)] as number;
      this.#timer = setTimeout(() => this.#connect(), wait);
    };
  }

  #use(channel: RTCDataChannel): void {
    this.#data = channel;
    channel.onopen = () => this.#opened();
    channel.onmessage = ({ data }) => {
      if (typeof data === 'string') this.#heard(data);
      else if (data instanceof ArrayBuffer && data.byteLength <= kMaxMessage)
        this.#heard(new TextDecoder().decode(data));
    };
    channel.binaryType = 'arraybuffer';
    if (channel.readyState === 'open') this.#opened();
  }

  #opened(): void {
    for (const message of this.#standing.values()) this.#write(message);
    this.emit('open', undefined);
  }

  #write(message: Record<string, unknown>): void {
    const text = JSON.stringify(message);
    if (this.#socket?.readyState === 1) this.#socket.send(text);
    else if (this.#data?.readyState === 'open') this.#data.send(text);
  }

  setConstraints(constraints: ReceiverConstraints): void {
    const message = writeConstraints(constraints);
    this.#standing.set('constraints', message);
    this.#write(message);
  }

  setVideoType(source: string, type: 'camera' | 'desktop' | 'none'): void {
    const message = { colibriClass: 'SourceVideoTypeMessage', sourceName: source, videoType: type };
    this.#standing.set(`type ${source}`, message);
    this.#write(message);
  }

  /** `to`: an endpoint, or everybody. */
  sendMessage(to: string | undefined, payload: unknown): void {
    this.#write({ colibriClass: 'EndpointMessage', to: to ?? '', msgPayload: payload });
  }

  #heard(text: string): void {
    if (text.length > kMaxMessage) return;
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (typeof message !== 'object' || message === null) return;
    const data = message as Record<string, unknown>;
    switch (data.colibriClass) {
      case 'DominantSpeakerEndpointChangeEvent': {
        const id = data.dominantSpeakerEndpoint;
        if (typeof id === 'string' && kEndpointId.test(id)) this.emit('dominantSpeaker', { id });
        break;
      }
      case 'SenderSourceConstraints': {
        const { sourceName, maxHeight } = data;
        if (typeof sourceName !== 'string' || !kSourceName.test(sourceName)) break;
        if (typeof maxHeight !== 'number' || !Number.isFinite(maxHeight)) break;
        this.emit('senderConstraints', { source: sourceName, maxHeight });
        break;
      }
      case 'ForwardedSources': {
        const list = data.forwardedSources;
        if (!Array.isArray(list)) break;
        const sources = list.filter((one): one is string => typeof one === 'string' && kSourceName.test(one));
        this.emit('forwarded', { sources: sources.slice(0, 1000) });
        break;
      }
      case 'EndpointMessage': {
        const { from, msgPayload } = data;
        if (typeof from === 'string' && kEndpointId.test(from))
          this.emit('endpointMessage', { from, data: msgPayload });
        break;
      }
      default:
        // ServerHello, ConnectionStats, EndpointStats and what later bridges say.
        break;
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    this.#data?.close();
    this.clearListeners();
  }
}
