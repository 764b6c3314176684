/**
 * What is said between a page and the drop-in worker. Two languages on one port:
 *
 * - LiveKit's own (livekit-client 2.13 to 2.23 with `livekit-client/e2ee-worker`): `{ kind, data }`, sent by the library's
 *   E2EEManager. Versions differ in fields, so everything is read with care and only the core is needed.
 * - ours: `{ kind: 'siegel', data }`, which livekit-client ignores in both directions.
 *
 * Facts: livekit-client 2.23.0, src/e2ee/types.ts and src/e2ee/worker/e2ee.worker.ts.
 */

import type { CodecName } from '../media/engine_types';
import { fields } from '../media/fields';
import type { EngineInfo, MediaFailure, StatsSnapshot } from '../media/types';
import type { DataContext, LiveKitPolicy, SecurityWarning } from './types';

// LiveKit's -----------------------------------------------------------------------------------------------------------

export interface KeyProviderOptions {
  sharedKey: boolean;
  ratchetSalt: string;
  ratchetWindowSize: number;
  keyringSize: number;
  keySize: 128 | 256;
}

export const kDefaultSalt = 'LKFrameEncryptionKey';

export const kDefaultPolicy: LiveKitPolicy = {
  acceptUnencrypted: false,
  acceptInjected: false,
  dataReplayProtection: true,
};

export type FromLiveKitWorker =
  | { kind: 'initAck'; data: { enabled: boolean } }
  | { kind: 'enable'; data: unknown }
  | { kind: 'error'; data: { error: Error; participantIdentity?: string; uuid?: string } }
  | {
      kind: 'ratchetKey';
      data: {
        participantIdentity: string;
        keyIndex: number;
        ratchetResult: { chainKey: ArrayBuffer; cryptoKey: CryptoKey };
      };
    }
  | { kind: 'encryptDataResponse'; data: { uuid: string; payload: Uint8Array; iv: Uint8Array; keyIndex: number } }
  | { kind: 'decryptDataResponse'; data: { uuid: string; payload: Uint8Array } }
  | { kind: 'packetTrailerMetadata'; data: unknown }
  | { kind: 'siegel'; data: SiegelReport };

// Ours ----------------------------------------------------------------------------------------------------------------

export interface SiegelInit {
  policy: Partial<LiveKitPolicy>;
  /** Missing: no counters are sent. */
  statsIntervalMs?: number;
  webCryptoFrom?: { seal: number; open: number };
  /** A web lock that the worker holds for as long as it lives. */
  lock: string;
}

export type SiegelCommand =
  /** Counts only as the first message of all: nothing that comes later loosens a policy. */
  | { kind: 'init'; init: SiegelInit }
  | { kind: 'ping'; count: number }
  | { kind: 'removeParticipant'; participant: string }
  | { kind: 'request'; id: number; request: SiegelRequest };

export type SiegelRequest =
  | { kind: 'snapshot' }
  | { kind: 'close' }
  | { kind: 'sealData'; payload: Uint8Array<ArrayBuffer>; context: DataContext }
  | { kind: 'openData'; packet: Uint8Array<ArrayBuffer>; context: DataContext };

export type SiegelAnswer = StatsSnapshot | Uint8Array<ArrayBuffer> | null;

export type SiegelReport =
  | { kind: 'started' }
  | { kind: 'locked' }
  | { kind: 'ready'; info: EngineInfo }
  | { kind: 'failed'; reason: MediaFailure; message: string }
  | { kind: 'pong'; count: number }
  | { kind: 'stats'; stats: StatsSnapshot }
  | { kind: 'warning'; warning: SecurityWarning }
  | { kind: 'reply'; id: number; outcome: { kind: 'value'; data: SiegelAnswer } | { kind: 'refused'; data: number } };

// Reading -------------------------------------------------------------------------------------------------------------

export const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

export const bytes = (value: unknown): Uint8Array<ArrayBuffer> | undefined =>
  value instanceof Uint8Array ? (value as Uint8Array<ArrayBuffer>) : undefined;

const within = (value: unknown, low: number, high: number, otherwise: number): number =>
  typeof value === 'number' && Number.isFinite(value) ? Math.min(high, Math.max(low, Math.trunc(value))) : otherwise;

/** LiveKit's defaults where something is missing; what the engine cannot do is brought into its range. */
export function readKeyProviderOptions(value: unknown): KeyProviderOptions {
  const { sharedKey, ratchetSalt, ratchetWindowSize, keyringSize, keySize } = fields(value);
  return {
    sharedKey: sharedKey === true,
    ratchetSalt: text(ratchetSalt) ?? kDefaultSalt,
    ratchetWindowSize: within(ratchetWindowSize, 0, 16, 8),
    keyringSize: within(keyringSize, 1, 256, 16),
    keySize: keySize === 256 ? 256 : 128,
  };
}

/** Anything but a plain `true` or `false` in its place is the strict choice. */
export function readPolicy(value: unknown): LiveKitPolicy {
  const given = fields(value);
  return {
    acceptUnencrypted: given.acceptUnencrypted === true,
    acceptInjected: given.acceptInjected === true,
    dataReplayProtection: given.dataReplayProtection !== false,
  };
}

const kVideoCodecs: readonly CodecName[] = ['vp8', 'vp9', 'h264', 'h265', 'av1'];

/** LiveKit's name of a video codec; undefined for others, and for sound. */
export function readCodec(value: unknown): CodecName | undefined {
  const name = text(value)?.toLowerCase();
  return kVideoCodecs.find((each) => each === name);
}
