/**
 * Public face of the media layer: what a room (local, Matrix, Jitsi) and a page use. Implemented by media_cipher.ts;
 * nothing above this folder talks to the worker.
 */
import type { CodecName, FormatName } from './engine_types';

/** Why frames of a track did not come through; keys of `TrackCounters.rejected`. The engine's Error names, lower camel. */
export type RejectReason =
  | 'missingKey'
  | 'authentication'
  | 'replay'
  | 'malformed'
  | 'frameTooShort'
  | 'unsupportedCodec'
  | 'unsupportedFrameType'
  | 'bufferTooSmall'
  | 'counterExhausted'
  | 'injectedFrame'
  | 'tooManyStreams'
  | 'internal';

/** Monotonic counters of one track, as the engine measured them. Never reset while the track is attached. */
export interface TrackCounters {
  participant: string;
  track: string;
  direction: 'send' | 'receive';
  kind: 'audio' | 'video';
  /** Frames handed over by the browser. */
  frames: number;
  /** Sealed (send) or opened and verified (receive). */
  passed: number;
  /** Not sent or not played, by reason. Replays are under `replay`. */
  rejected: Partial<Record<RejectReason, number>>;
  /** Zero-length frames, dropped without fault. */
  empty: number;
  /**
   * Let through although nobody sealed them, because a policy says so (LiveKit only, off by default): a server's silence, or
   * clear frames. Such a track is not end-to-end encrypted, whatever `passed` says.
   */
  unprotected?: number;
  bytesIn: number;
  bytesOut: number;
  /**
   * Engine time in µs (copies included), summed over every sixteenth frame and multiplied: an estimate for all of them, 0 before
   * the first sixteen; with WebCrypto every frame's time until its answer is added. And how many frames went through that.
   */
  micros: number;
  viaWebCrypto: number;
  /** performance.timeOrigin-free worker clock in ms of the last passed and the last rejected frame; 0 when none. */
  lastPassedAt: number;
  lastRejectedAt: number;
  keyIndex: number;
  generation: number;
  codec: CodecName;
}

export interface StatsSnapshot {
  /** Worker clock (ms) when taken: compare with lastPassedAt. */
  now: number;
  tracks: TrackCounters[];
}

export interface EngineInfo {
  variant: 'simd' | 'simd-relaxed';
  /** Frames of at least this many bytes go through WebCrypto on this device; Infinity = never. */
  webCryptoFrom: { seal: number; open: number };
  setupMs: number;
}

/** Closed list: what can stop the engine from starting or end it. Each has a text in web/ui/i18n. */
export type MediaFailure =
  | 'no-webrtc' // no RTCPeerConnection
  | 'no-encoded-transform' // neither RTCRtpScriptTransform nor createEncodedStreams
  | 'no-wasm'
  | 'no-simd'
  | 'wasm-mime' // served with the wrong MIME type
  | 'wasm-load' // not found, network, CSP
  | 'worker-load' // the worker script did not start
  | 'worker-died' // started, then threw or stopped answering (heartbeat)
  | 'attached-late' // a sender that could already have sent in clear
  | 'closed';

export class MediaError extends Error {
  constructor(
    readonly reason: MediaFailure,
    message: string,
  ) {
    super(message);
    this.name = 'MediaError';
  }
}

export interface TrackInfo {
  /** Whose key: the local member's id when sending, the remote member's id when receiving. */
  participant: string;
  /** Unique within the participant; names the counters. */
  track: string;
  kind: 'audio' | 'video';
}

export interface KeyOptions {
  participant: string;
  keyIndex: number;
  /** Copied and transferred to the worker; the caller's copy is wiped. */
  material: Uint8Array;
  derivation?: 'hkdf' | 'pbkdf2' | 'raw';
  /** Format sframe only: cipher suite 1..5 of RFC 9605, default 4 (AES-128-GCM); keyIndex is the KID. */
  suite?: number;
  /** 'send': this is our own key, sealing switches to it. 'receive': a remote member's. */
  usage: 'send' | 'receive';
}

export interface MediaCipherEvents {
  /** At `statsIntervalMs` (default 250). */
  stats: StatsSnapshot;
  failed: MediaError;
}

export interface MediaCipherOptions {
  format?: FormatName; // default 'jframe'
  /** Folder with siegel-worker.js and the .wasm files; same origin. Default: `../assets/` as seen from this module. */
  assets?: string | URL;
  statsIntervalMs?: number;
  keyringSize?: number;
  ratchetWindow?: number;
  /** Instead of measuring at start; Infinity: never. */
  webCryptoFrom?: { seal: number; open: number };
  /** Default: RTCRtpScriptTransform where the browser has it, else createEncodedStreams. */
  transform?: 'script' | 'streams';
}

/**
 * One worker, one engine. Constructing starts the worker; media attached before `ready` is held, never passed.
 * After `failed` nothing passes any more: every attached track is stopped from sending and its counters freeze.
 */
export interface MediaCipherApi {
  readonly ready: Promise<EngineInfo>;
  /** Adds what the browser needs so that an unattached sender sends nothing (Chromium: encodedInsertableStreams). */
  rtcConfiguration(base?: RTCConfiguration): RTCConfiguration;
  /** Call right after addTransceiver (no track yet) and before any negotiation; then replaceTrack. */
  attachSender(sender: RTCRtpSender, info: TrackInfo): void;
  attachReceiver(receiver: RTCRtpReceiver, info: TrackInfo): void;
  /**
   * Tell the payload type → codec map after negotiation (Firefox does not name the codec of a frame). Adds to earlier maps
   * of the same scope; with `track` it counts for that track alone and comes first, for connections that disagree.
   */
  setPayloadTypes(map: ReadonlyMap<number, CodecName>, scope: { participant: string; track?: string }): void;
  setKey(options: KeyOptions): Promise<void>;
  /** Ratchet our own sending key; resolves with the new generation. */
  ratchet(participant: string): Promise<number>;
  dropKey(participant: string, usage: 'send' | 'receive', keyIndex: number): Promise<void>;
  /** Keys, windows and counters of this participant are wiped; further frames of theirs are dropped. */
  removeParticipant(participant: string): void;
  snapshot(): Promise<StatsSnapshot>;
  on<K extends keyof MediaCipherEvents>(kind: K, listener: (event: MediaCipherEvents[K]) => void): () => void;
  /** Ends the worker after it wiped its keys. */
  close(): Promise<void>;
}
