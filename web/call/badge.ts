/**
 * What the badge of a person shows. It follows only from what the engine counted (MediaCipher's statistics), from the
 * handshake and from the transport; no message of the server or of another member can turn it green.
 *
 *   green   frames of this person were opened and verified within the last second
 *   amber   nothing can be said, and why
 *   red     something is wrong: frames that do not verify, another link, a stopped engine
 */
import type { CodecName } from '../media/engine_types';
import type { RejectReason, TrackCounters } from '../media/types';

export type BadgeLevel = 'green' | 'amber' | 'red';

export type BadgeCause =
  | 'verified'
  // amber
  | 'alone' // nobody else is here
  | 'engine-starting'
  | 'handshake' // agreeing on keys
  | 'connecting'
  | 'connection-lost'
  | 'waiting-key' // frames arrive whose key we do not have yet
  | 'rekey' // the key is being changed
  | 'no-frames' // media was announced, none has come yet
  | 'stalled' // it came, and stopped
  | 'nothing-sent' // muted, camera off: there is nothing to measure
  | 'unsupported' // frames in a codec without a layout: dropped
  | 'unverified-device' // its frames open, but nobody vouches for the device that holds the key
  // red
  | 'rejected' // frames that do not verify: another key, or changed on the way
  | 'no-key' // frames arrive and their key does not
  | 'other-link' // this person joined with another link
  | 'clear-media' // frames that are not encrypted came in under this person's name
  | 'room-not-encrypted' // the room's own events are readable by its server
  | 'open-to-operator' // this person let people without end-to-end encryption in: nothing is sealed
  | 'cannot-seal' // this person's client has no end-to-end encryption: nothing of theirs is played, nothing of ours reaches them
  | 'changed-identity' // this person's cryptographic identity is another one than before
  | 'engine-silent' // the engine no longer reports (amber at first)
  | 'engine-failed';

export interface Badge {
  level: BadgeLevel;
  cause: BadgeCause;
}

export interface BadgeInput {
  handshake: 'waiting' | 'confirmed' | 'wrong-secret';
  /** late: no counts for a second; silent: for three. */
  engine: 'starting' | 'running' | 'late' | 'silent' | 'failed';
  link: 'new' | 'connecting' | 'connected' | 'lost';
  /** How long the link has been connected, ms. */
  connectedFor: number;
  /** What the person says they send (sealed, so from them). */
  expected: { audio: boolean; video: boolean };
  /** A join or leave is being worked through, or was within the last two seconds. */
  rekeying: boolean;
}

/** Sums over the tracks of a person, for people who want to see. */
export interface Numbers {
  frames: number;
  passed: number;
  rejected: Partial<Record<RejectReason, number>>;
  empty: number;
  bytes: number;
  microsPerFrame: number;
  viaWebCrypto: number;
  keyIndex: number;
  generation: number;
  codecs: CodecName[];
}

/** Amber and red only count what happened this recently. */
export const kWindowMs = 1000;
const kKeyPatienceMs = 5000;
const kStallMs = 3000;

type Sums = { at: number; bad: number; replay: number; missingKey: number; unsupported: number; passed: number };

const kBad: readonly RejectReason[] = ['authentication', 'malformed', 'injectedFrame', 'frameTooShort'];
/**
 * Browsers hand over a frame twice now and then (packets sent again while probing the bandwidth); the second one is dropped
 * as a replay, and that is no sign of anything. Many replays and nothing else are.
 */
const kReplaysAlone = 10;

function sum(rejected: TrackCounters['rejected'], reasons: readonly RejectReason[]): number {
  return reasons.reduce((total, reason) => total + (rejected[reason] ?? 0), 0);
}

/** Remembers the counters of the last seconds of one person. Feed every snapshot; ask at any time. */
export class BadgeMeter {
  #samples: Sums[] = [];
  #tracks: TrackCounters[] = [];
  #now = 0;
  #generation = -1;
  #keyIndex = -1;
  #keyChangedAt = Number.NEGATIVE_INFINITY;
  #missingKeySince: number | undefined;

  /** `now` and the tracks' times are the worker's clock. */
  update(tracks: TrackCounters[], now: number): void {
    this.#tracks = tracks;
    this.#now = now;
    const sample: Sums = { at: now, bad: 0, replay: 0, missingKey: 0, unsupported: 0, passed: 0 };
    for (const track of tracks) {
      sample.passed += track.passed;
      sample.bad += sum(track.rejected, kBad);
      sample.replay += sum(track.rejected, ['replay']);
      sample.missingKey += sum(track.rejected, ['missingKey']);
      sample.unsupported += sum(track.rejected, ['unsupportedCodec', 'unsupportedFrameType', 'bufferTooSmall']);
      if (track.passed > 0 && (track.keyIndex !== this.#keyIndex || track.generation > this.#generation)) {
        if (this.#keyIndex >= 0) this.#keyChangedAt = now;
        this.#keyIndex = track.keyIndex;
        this.#generation = track.generation;
      }
    }
    this.#samples.push(sample);
    // One sample older than the window stays, as what the newest is compared with.
    while (this.#samples.length > 2 && (this.#samples[1]?.at ?? now) <= now - kWindowMs) this.#samples.shift();
    const missing = this.#recent('missingKey') > 0 && this.#recent('passed') === 0;
    this.#missingKeySince = missing ? (this.#missingKeySince ?? now) : undefined;
  }

  evaluate(input: BadgeInput): Badge {
    if (input.engine === 'starting') return amber('engine-starting');
    if (input.engine === 'late') return amber('engine-silent');
    if (input.engine === 'silent') return red('engine-silent');
    if (input.engine !== 'running') return red('engine-failed');
    if (input.handshake === 'wrong-secret') return red('other-link');
    if (input.handshake === 'waiting') return amber('handshake');

    const passed = this.#recent('passed') > 0;
    const rekeying = input.rekeying || this.#now - this.#keyChangedAt < 2000;
    if (this.#recent('bad') > 0) {
      // While a key changes, frames that were on their way may come under the old one.
      return rekeying && passed ? amber('rekey') : red('rejected');
    }
    if (!passed && this.#recent('replay') > kReplaysAlone) return red('rejected');
    if (this.#missingKeySince !== undefined) {
      if (this.#now - this.#missingKeySince > kKeyPatienceMs) return red('no-key');
      return amber(rekeying ? 'rekey' : 'waiting-key');
    }
    if (input.link === 'lost') return amber('connection-lost');
    if (input.link !== 'connected' && !passed) return amber('connecting');
    if (this.#recent('unsupported') > 0 && !passed) return amber('unsupported');

    const { audio, video } = input.expected;
    const stalled = (kind: 'audio' | 'video') => {
      const last = Math.max(
        0,
        ...this.#tracks.filter((track) => track.kind === kind).map((track) => track.lastPassedAt),
      );
      return input.connectedFor > kStallMs && this.#now - last > kStallMs;
    };
    if (passed) return (audio && stalled('audio')) || (video && stalled('video')) ? amber('stalled') : green();
    if (!audio && !video) return amber('nothing-sent');
    return amber(this.#tracks.some((track) => track.passed > 0) ? 'stalled' : 'no-frames');
  }

  numbers(): Numbers {
    return numbersOf(this.#tracks);
  }

  get tracks(): readonly TrackCounters[] {
    return this.#tracks;
  }

  #recent(what: 'bad' | 'replay' | 'missingKey' | 'unsupported' | 'passed'): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last) return 0;
    // The first sample ever: everything in it is recent.
    return this.#samples.length === 1 ? last[what] : last[what] - first[what];
  }
}

export function numbersOf(tracks: readonly TrackCounters[]): Numbers {
  const all: Numbers = {
    frames: 0,
    passed: 0,
    rejected: {},
    empty: 0,
    bytes: 0,
    microsPerFrame: 0,
    viaWebCrypto: 0,
    keyIndex: -1,
    generation: 0,
    codecs: [],
  };
  let micros = 0;
  let latest = -1;
  for (const track of tracks) {
    all.frames += track.frames;
    all.passed += track.passed;
    all.empty += track.empty;
    all.bytes += track.bytesIn;
    all.viaWebCrypto += track.viaWebCrypto;
    micros += track.micros;
    for (const [reason, count] of Object.entries(track.rejected)) {
      if (count) all.rejected[reason as RejectReason] = (all.rejected[reason as RejectReason] ?? 0) + count;
    }
    if (track.passed > 0 && track.lastPassedAt > latest) {
      latest = track.lastPassedAt;
      all.keyIndex = track.keyIndex;
      all.generation = track.generation;
    }
    if (track.codec !== 'unknown' && !all.codecs.includes(track.codec)) all.codecs.push(track.codec);
  }
  all.microsPerFrame = all.frames > 0 ? micros / all.frames : 0;
  return all;
}

/** The badge of the call: the worst of its people. */
export function worst(badges: readonly Badge[]): Badge {
  if (badges.length === 0) return amber('alone');
  const rank = { green: 0, amber: 1, red: 2 };
  return badges.reduce((a, b) => (rank[b.level] > rank[a.level] ? b : a));
}

const green = (): Badge => ({ level: 'green', cause: 'verified' });
const amber = (cause: BadgeCause): Badge => ({ level: 'amber', cause });
const red = (cause: BadgeCause): Badge => ({ level: 'red', cause });
