/** Contract of the Jitsi servers for tests. Everything listens on the loopback interface only, on free ports. */
import type { Child } from '../matrix/child.mjs';

export interface JitsiOptions {
  /** Default `meet.test`; nothing is ever resolved. */
  domain?: string;
  /** Of the web host; default: a free one. */
  port?: number;
  folder?: string;
  /** The host wants tokens. */
  tokens?: boolean;
  /** Places in a room; 0: no limit. */
  places?: number;
  bridges?: number;
  /** Which ways to XMPP config.js names. */
  transport?: 'both' | 'websocket' | 'bosh';
  /** Conference request by HTTP. */
  httpRequest?: boolean;
  /** Bridge channel over SCTP instead of a WebSocket. */
  dataChannel?: boolean;
  config?: 'debian' | 'docker';
  extraConfig?: string;
  codecs?: string[];
  startMuted?: { audio: boolean; video: boolean };
  /** Seconds that Prosody keeps an interrupted stream. */
  smacksHibernation?: number;
  /** Path prefix → folder of files that the web host serves as well; of several the first that has the file. */
  folders?: Record<string, string | string[]>;
}

export interface Count {
  owner: string;
  kind: string;
  payloadType: number;
  packets: number;
  frames: number;
  sealed: number;
  /** Sealed frames since the last clear one. */
  run: number;
  /** Which frame was the first that was not sealed, counted from 1; 0: none. */
  firstClear: number;
  keyIndexes: number[];
}

export interface Witness {
  readonly counts: ReadonlyMap<number, Count>;
  of(owner: string): Count[];
  reset(): void;
}

export interface FocusApi {
  absent: boolean;
  log: Array<{ to?: string; from?: string; action: string; element?: { toString(): string } }>;
  participant(nick: string):
    | {
        nick: string;
        jid: string;
        features?: string[];
        accepted: boolean;
        role: string;
        endpoint?: { bridge: { name: string } };
      }
    | undefined;
  moveSession(nick: string, bridge: string): Promise<void>;
  killBridge(name: string, options?: { noticed?: boolean }): Promise<void>;
  sendRaw(stanza: unknown): void;
  forgeSources(nick: string, action: 'source-add' | 'source-remove', sources: unknown): Promise<unknown>;
  grant(room: string, jid: string): Promise<unknown>;
  readonly full: string;
}

export interface WebHostApi {
  traffic: Array<{ client: number; direction: 'up' | 'down'; text: string }>;
  recordTraffic: boolean;
  bytes: Map<number, number>;
  tamper: ((text: string, about: { client: number; direction: 'up' | 'down' }) => string | undefined) | undefined;
  cutXmpp(ms: number, options?: { silent?: boolean }): void;
  inject(nick: string, stanza: string): number;
  sentTo(nick: string, part: string): string[];
}

export interface JitsiStack {
  origin: string;
  domain: string;
  folder: string;
  ports: Record<string, number>;
  focus: FocusApi;
  bridges: Array<{ name: string; dead: boolean; messages: Array<{ from: string; message: Record<string, unknown> }> }>;
  web: WebHostApi;
  witness: Witness;
  prosody: Child;
  roomUrl(room: string): string;
  roomJid(room: string): string;
  token(claims?: Record<string, unknown>): string;
  setConfig(text: string): void;
  close(): Promise<void>;
}

export function startJitsi(options?: JitsiOptions): Promise<JitsiStack>;
export function signToken(secret: string, claims: Record<string, unknown>): string;
export function configText(options: {
  domain: string;
  origin: string;
  shape?: 'debian' | 'docker';
  http?: boolean;
  bosh?: boolean;
  websocket?: boolean;
  extra?: string;
}): string;
export function looksSealed(payload: Uint8Array): boolean;
