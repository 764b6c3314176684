/**
 * The engine's error enum as numbers, in the order of engine/include/siegel/result.h (a test reads both), and the names
 * under which the counters show them. Numbers only cross the module's door; texts are made here and never carry data.
 */
import type { RejectReason } from './types';

export const kErrorNames = [
  'kNone',
  'kMissingKey',
  'kAuthentication',
  'kReplay',
  'kMalformed',
  'kFrameTooShort',
  'kUnsupportedCodec',
  'kUnsupportedFrameType',
  'kBufferTooSmall',
  'kCounterExhausted',
  'kInvalidArgument',
  'kInvalidKey',
  'kUnsupportedSuite',
  'kEmptyFrame',
  'kInjectedFrame',
  'kKeyUsage',
  'kTooManyStreams',
] as const;
export type ErrorName = (typeof kErrorNames)[number];

/** kEmptyFrame: counted apart, it is no fault. */
export const kEmptyFrame = kErrorNames.indexOf('kEmptyFrame');

export const kInjectedFrame = kErrorNames.indexOf('kInjectedFrame');

/** What no frame should meet. */
const kInternal: readonly ErrorName[] = [
  'kNone',
  'kInvalidArgument',
  'kInvalidKey',
  'kUnsupportedSuite',
  'kEmptyFrame',
  'kKeyUsage',
];
/** By number. The reasons are called as the errors are; a test compares them with the closed list. */
const kReasons = kErrorNames.map((name) =>
  kInternal.includes(name) ? 'internal' : (name[1] ?? '').toLowerCase() + name.slice(2),
) as RejectReason[];

/** Under which reason a frame that the engine refused is counted; what no frame should meet is 'internal'. */
export function rejectReason(code: number): RejectReason {
  return kReasons[code] ?? 'internal';
}

/** A control call (key, ratchet) that the engine refused. `code` is the number in result.h. */
export class EngineError extends Error {
  constructor(readonly code: number) {
    super(`the engine refused: ${kErrorNames[code]?.slice(1) ?? 'unknown error'}`);
    this.name = 'EngineError';
  }
}
