/**
 * Everything the worker keeps about one member: its sealing or opening engine objects, imported keys, codec map, counters
 * and the pipes that carry its frames. Removed as a whole; whoever still holds it afterwards passes nothing.
 */
import { type CodecName, Derivation, Format, type FormatName, type Opener, type Sealer } from '../engine_types';
import type { AttachInfo, Direction, SetKeyData } from '../protocol';
import type { TrackCounters } from '../types';
import { newCounters } from './counters';
import { CryptoKeys, type FrameEngine } from './frame_engine';
import type { Pipe } from './pipe';

export interface ParticipantOptions {
  format: FormatName;
  keyringSize: number;
  ratchetWindow: number;
  /** Instead of keys that come out of the engine. */
  sealKeys?: CryptoKeys;
  openKeys?: CryptoKeys;
}

export class Participant {
  readonly pipes = new Set<Pipe>();
  /** '' stands for all tracks. */
  readonly #payloadTypes = new Map<string, Map<number, CodecName>>();
  removed = false;
  /** LiveKit: sending was not switched on, so nothing may be sealed. */
  #blocked = false;
  /** LiveKit, by explicit policy only: frames pass as they are. */
  acceptClear = false;
  #injected: { trailer: Uint8Array; accept: boolean } | undefined;
  sealer: Sealer | undefined;
  opener: Opener | undefined;
  /** Handles of the two, 0 when there is none: the frame path reads nothing through Embind. */
  sealerHandle = 0;
  openerHandle = 0;
  readonly sealKeys: CryptoKeys;
  readonly openKeys: CryptoKeys;
  /** Tickets in flight in each object. */
  sealing = 0;
  opening = 0;
  readonly #counters = new Map<string, TrackCounters>();
  readonly #engine: FrameEngine;
  readonly #options: ParticipantOptions;

  constructor(engine: FrameEngine, subtle: SubtleCrypto | undefined, options: ParticipantOptions) {
    this.#engine = engine;
    this.#options = options;
    this.sealKeys = options.sealKeys ?? new CryptoKeys(subtle);
    this.openKeys = options.openKeys ?? new CryptoKeys(subtle);
  }

  /** The same track attached again goes on counting where it was. */
  counters(info: AttachInfo): TrackCounters {
    const name = `${info.direction} ${info.track}`;
    let counters = this.#counters.get(name);
    if (counters === undefined) {
      counters = newCounters(info);
      this.#counters.set(name, counters);
    }
    return counters;
  }

  /** Adds to what is known: each connection of ours negotiates its own numbers, and all of them are ours. */
  addPayloadTypes(map: ReadonlyMap<number, CodecName>, track = ''): void {
    const known = this.#payloadTypes.get(track) ?? new Map<number, CodecName>();
    for (const [type, codec] of map) known.set(type, codec);
    this.#payloadTypes.set(track, known);
  }

  codec(track: string, payloadType: number): CodecName | undefined {
    return this.#payloadTypes.get(track)?.get(payloadType) ?? this.#payloadTypes.get('')?.get(payloadType);
  }

  get tracks(): Iterable<TrackCounters> {
    return this.#counters.values();
  }

  /** Without it nothing is sealed, key or not: such frames count as missingKey. */
  set blocked(blocked: boolean) {
    this.#blocked = blocked;
    this.sealerHandle = blocked ? 0 : (this.sealer?.handle ?? 0);
  }
  get blocked(): boolean {
    return this.#blocked;
  }

  get acceptsInjected(): boolean {
    return this.#injected?.accept ?? false;
  }

  /** LiveKit: the mark of frames that the server made up, and whether known silence of that kind is let through. */
  setInjectedFrames(trailer: Uint8Array, accept: boolean): void {
    this.#injected = { trailer, accept };
    // The engine always tells known silence from everything else that carries the mark; the pipe decides what becomes of it.
    this.opener?.setInjectedFrames(trailer, true);
  }

  /** A key that was derived elsewhere, `current` or not. Returns an Error number. Wipes `material`. */
  install(
    usage: Direction,
    keyIndex: number,
    material: Uint8Array,
    derivation: keyof typeof Derivation,
    current: boolean,
  ): number {
    (usage === 'send' ? this.sealKeys : this.openKeys).clear();
    try {
      if (usage === 'send') return this.#needSealer().setKey(keyIndex, material, Derivation[derivation], current);
      return this.#needOpener().setKey(keyIndex, material, Derivation[derivation]);
    } finally {
      material.fill(0);
    }
  }

  /** Returns an Error number. Wipes `material`. */
  setKey({ usage, keyIndex, material, derivation, suite }: SetKeyData): number {
    const { format } = this.#options;
    if (format !== 'sframe') return this.install(usage, keyIndex, material, derivation, true);
    const target = usage === 'send' ? this.#needSealer() : this.#needOpener();
    // Imported keys that are still needed are imported again; the others must not stay.
    (usage === 'send' ? this.sealKeys : this.openKeys).clear();
    try {
      return target.setSFrameKey(suite, BigInt(keyIndex), material);
    } finally {
      material.fill(0);
    }
  }

  /** The new generation, or minus an Error number. */
  ratchet(): number {
    this.sealKeys.clear();
    return this.sealer?.ratchet() ?? -1;
  }

  dropKey(usage: Direction, keyIndex: number): number {
    if (usage === 'send') {
      this.sealKeys.clear();
      return this.sealer?.dropKey(keyIndex) ?? 0;
    }
    this.openKeys.clear();
    return this.opener?.dropKey(keyIndex) ?? 0;
  }

  remove(): void {
    this.removed = true;
    this.sealerHandle = 0;
    this.openerHandle = 0;
    this.sealer?.delete();
    this.opener?.delete();
    this.sealer = undefined;
    this.opener = undefined;
    this.sealKeys.clear();
    this.openKeys.clear();
    this.#counters.clear();
    this.pipes.clear();
  }

  #needSealer(): Sealer {
    const { format, keyringSize } = this.#options;
    if (this.sealer === undefined) {
      this.sealer = new this.#engine.module.Sealer(Format[format], keyringSize);
      this.sealerHandle = this.#blocked ? 0 : this.sealer.handle;
    }
    return this.sealer;
  }

  #needOpener(): Opener {
    const { format, keyringSize, ratchetWindow } = this.#options;
    if (this.opener === undefined) {
      this.opener = new this.#engine.module.Opener(Format[format], keyringSize, ratchetWindow);
      this.openerHandle = this.opener.handle;
      if (this.#injected) this.opener.setInjectedFrames(this.#injected.trailer, true);
    }
    return this.opener;
  }
}
