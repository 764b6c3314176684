/**
 * What the engine measured about one track. Every frame that is handed over ends in exactly one of passed, rejected and
 * empty (unprotected too, where a policy allows it), so their sum is `frames` as soon as nothing is in flight.
 */
import type { AttachInfo } from '../protocol';
import type { RejectReason, TrackCounters } from '../types';

export function newCounters({ participant, track, direction, kind }: AttachInfo): TrackCounters {
  return {
    participant,
    track,
    direction,
    kind,
    frames: 0,
    passed: 0,
    rejected: {},
    empty: 0,
    bytesIn: 0,
    bytesOut: 0,
    micros: 0,
    viaWebCrypto: 0,
    lastPassedAt: 0,
    lastRejectedAt: 0,
    keyIndex: -1,
    generation: 0,
    codec: 'unknown',
  };
}

export function countRejected(counters: TrackCounters, reason: RejectReason, now: number): void {
  counters.rejected[reason] = (counters.rejected[reason] ?? 0) + 1;
  counters.lastRejectedAt = now;
}
