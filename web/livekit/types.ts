/**
 * Public face of the LiveKit layer: what a page, or the Matrix layer, sees of the drop-in worker. Implemented by
 * livekit_cipher.ts (page) and worker/ (worker). Nothing here needs livekit-client.
 */
import type { EngineInfo, MediaError, StatsSnapshot } from '../media/types';

/**
 * How strict the worker is. It is set once, before the first frame, and by the page only: nothing that a server says (the
 * `encryption` flag of a publication, mute state, trailers) changes it.
 */
export interface LiveKitPolicy {
  /**
   * false (default): a frame that does not open under a key of its sender is dropped, also while the SFU flags the
   * publication as unencrypted. true: what livekit-client does: with encryption switched off for a remote participant their
   * frames pass as they are. Sending in clear is never possible.
   */
  acceptUnencrypted: boolean;
  /**
   * false (default): the silence that a LiveKit server may send for a muted track is dropped. true: it passes when its
   * SHA-256 is one of the five known payloads. It never counts as `passed`.
   */
  acceptInjected: boolean;
  /**
   * Data packets of LiveKit's own scheme have no replay protection: the worker keeps one (the last IVs of each sender).
   * true: opened once only (default). false: as livekit-client.
   */
  dataReplayProtection: boolean;
}

/** Closed list: what a page should show. Each has a text in web/ui/i18n. */
export type SecurityWarningKind =
  /** The server flags a remote publication as unencrypted; frames of it are still opened, never passed as they are. */
  | 'flagged-unencrypted'
  /** Frames of a remote participant that are no sealed frames: nothing of them is played. */
  | 'clear-frames'
  /** Frames that carry a key index we hold, and a wrong tag: tampered with, or another key. */
  | 'forged-frames'
  /** Frames that were opened before. */
  | 'replayed-frames'
  /** Our own frames were dropped because encryption was switched off or never switched on. */
  | 'send-blocked'
  /** A data packet that was tampered with, repeated or out of its place. */
  | 'data-rejected';

/** At most one per (kind, participant, track) and second; `count` says how many there were since the last one. */
export interface SecurityWarning {
  kind: SecurityWarningKind;
  /** LiveKit identity. */
  participant: string;
  /** The track's id as livekit-client names it (MediaStreamTrack id); '' where it is about no track. */
  track: string;
  count: number;
}

export interface LiveKitCipherEvents {
  /** At `statsIntervalMs`; participants are LiveKit identities, tracks are MediaStreamTrack ids. */
  stats: StatsSnapshot;
  /** Once: the worker is gone. Nothing passes any more; leave the room. */
  failed: MediaError;
  warning: SecurityWarning;
}

export interface LiveKitCipherOptions {
  /** Folder with siegel-livekit-worker.js and the .wasm files; same origin. Default: `../assets/` as seen from this module. */
  assets?: string | URL;
  /** Default 250. */
  statsIntervalMs?: number;
  policy?: Partial<LiveKitPolicy>;
  /** Instead of measuring at start; Infinity: never. */
  webCryptoFrom?: { seal: number; open: number };
}

/** Where a data packet belongs; authenticated with it, so a packet that is moved does not open. */
export interface DataContext {
  /** LiveKit identity of the sender. */
  sender: string;
  /** LiveKit's topic of the packet, or any other name of its stream. At most 256 bytes of UTF-8. */
  topic: string;
}

/** Our own data packets (docs/formats.md, "Data packets"): AAD with sender, topic and counter, a replay window. */
export interface DataCipherApi {
  /** Under the current sending key of `sender`, which is us. Rejects with EngineError (kMissingKey) when there is none. */
  seal(payload: Uint8Array, context: DataContext): Promise<Uint8Array<ArrayBuffer>>;
  /** Rejects with EngineError: kMissingKey, kAuthentication, kReplay, kMalformed. */
  open(packet: Uint8Array, context: DataContext): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Owns one worker for one LiveKit Room (livekit-client wants one each). Hand `worker` to
 * `new Room({ e2ee: { keyProvider, worker } })`; constructing starts it, and tracks that are attached before `ready` are
 * held, never passed. `close()` after `room.disconnect()`.
 */
export interface LiveKitCipherApi {
  readonly worker: Worker;
  readonly ready: Promise<EngineInfo>;
  readonly data: DataCipherApi;
  snapshot(): Promise<StatsSnapshot>;
  /** A member left: their keys, replay windows and counters are wiped; further frames of theirs are dropped. */
  removeParticipant(identity: string): void;
  on<K extends keyof LiveKitCipherEvents>(kind: K, listener: (event: LiveKitCipherEvents[K]) => void): () => void;
  /** Ends the worker after it wiped its keys. */
  close(): Promise<void>;
}
