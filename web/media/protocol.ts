/**
 * What page and worker say to each other. Every message is `{ kind, data }`; requests carry an id and get exactly one
 * `reply`. The two unions are closed: a switch over `kind` that forgets one does not compile.
 */
import type { CodecName, FormatName } from './engine_types';
import type { EngineInfo, KeyOptions, MediaFailure, StatsSnapshot, TrackInfo } from './types';

export type Direction = 'send' | 'receive';

/** Names a track to the worker: options of an RTCRtpScriptTransform, or data of `attach`. */
export interface AttachInfo extends TrackInfo {
  direction: Direction;
}

export interface InitData {
  format: FormatName;
  keyringSize: number;
  ratchetWindow: number;
  statsIntervalMs: number;
  /** Instead of the calibration's result. */
  webCryptoFrom?: { seal: number; open: number };
  /** A web lock that the worker holds for as long as it lives. */
  lock: string;
}

export interface SetKeyData {
  participant: string;
  usage: Direction;
  keyIndex: number;
  /** Transferred, and wiped by the worker. */
  material: Uint8Array<ArrayBuffer>;
  derivation: NonNullable<KeyOptions['derivation']>;
  /** SFrame cipher suite (RFC 9605, section 4.5). */
  suite: number;
}

export type ToWorker =
  | { kind: 'init'; data: InitData }
  | { kind: 'ping'; data: { count: number } }
  | {
      kind: 'attach';
      data: AttachInfo & { readable: ReadableStream<unknown>; writable: WritableStream<unknown> };
    }
  | { kind: 'setPayloadTypes'; data: { participant: string; track?: string; map: ReadonlyMap<number, CodecName> } }
  | { kind: 'removeParticipant'; data: { participant: string } }
  | { kind: 'request'; data: { id: number; request: Request } };

export type Request =
  | { kind: 'setKey'; data: SetKeyData }
  | { kind: 'ratchet'; data: { participant: string } }
  | { kind: 'dropKey'; data: { participant: string; usage: Direction; keyIndex: number } }
  | { kind: 'snapshot'; data: null }
  | { kind: 'close'; data: null };

export type FromWorker =
  /** The script runs and its handlers are there. */
  | { kind: 'started'; data: null }
  /** The lock is held: from now on its release means that the worker is gone. */
  | { kind: 'locked'; data: null }
  | { kind: 'ready'; data: EngineInfo }
  | { kind: 'failed'; data: { reason: MediaFailure; message: string } }
  | { kind: 'pong'; data: { count: number } }
  | { kind: 'stats'; data: StatsSnapshot }
  | { kind: 'reply'; data: { id: number; outcome: Outcome } };

/** Of a request: what it asked for, or the engine's error number. */
export type Outcome = { kind: 'value'; data: number | StatsSnapshot } | { kind: 'refused'; data: number };

/** For the end of a switch: unreachable by type, and harmless should a foreign message get there. */
export function never(_: never): void {}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** The name of a track out of a transform's options, checked: a transform without one passes nothing. */
export function readAttachInfo(options: unknown): AttachInfo | undefined {
  if (!isRecord(options)) return undefined;
  const { participant, track, kind, direction } = options;
  if (typeof participant !== 'string' || typeof track !== 'string') return undefined;
  if (kind !== 'audio' && kind !== 'video') return undefined;
  if (direction !== 'send' && direction !== 'receive') return undefined;
  return { participant, track, kind, direction };
}
