/**
 * The drop-in worker without its globals: LiveKit's messages and ours in, answers out, transforms. The script gives it the
 * real surroundings, tests give it others.
 *
 * LiveKit's messages are worked through strictly in order, one after the other, and none before the engine is ready: until
 * then frames stay unread. What differs from livekit-client's worker, and why, is in docs/livekit.md. The rules:
 *
 * - Sending: a frame is sealed or dropped. Without `enable: true` for the sender nothing is sealed.
 * - Receiving: a frame opens under the one key at its index, or is dropped. What a server says about encryption is a warning
 *   at most, unless the page's policy of the first message says otherwise.
 * - A ratchet of a receiving key is the engine's, after a tag verified; this side only follows and tells.
 *
 * Keys go to the engine when a participant sends or is received, not before: livekit-client keeps posting those of people who
 * left.
 */
import { type Fields, fields } from '../../media/fields';
import type { RejectReason, StatsSnapshot, TrackCounters } from '../../media/types';
import { MediaError } from '../../media/types';
import type { EncodedFrame, ScriptTransformer } from '../../media/worker/globals';
import { Participant } from '../../media/worker/participant';
import { Pipe, type PipeEnds, type PipeShared, type PipeTask } from '../../media/worker/pipe';
import { type EngineSurroundings, startEngine } from '../../media/worker/start';
import {
  bytes,
  type FromLiveKitWorker,
  type KeyProviderOptions,
  kDefaultPolicy,
  readCodec,
  readKeyProviderOptions,
  readPolicy,
  type SiegelAnswer,
  type SiegelCommand,
  type SiegelReport,
  type SiegelRequest,
  text,
} from '../protocol';
import type { SecurityWarningKind } from '../types';
import { DataError, DataPackets } from './data_packets';
import { KeyStore } from './key_store';
import { ErrorThrottle, Gathered } from './limits';
import { readTrailer, withTrailer } from './packet_trailer';

export interface Surroundings extends EngineSurroundings {
  post(message: FromLiveKitWorker, transfer?: Transferable[]): void;
}

type Reason = 'MissingKey' | 'InvalidKey' | 'InternalError';
type Use = 'send' | 'receive';

/** Where a sealed frame has the length of its IV and its key index. */
const kIvLength = 12;
/** People of whom nothing is known but that the server names them. */
const kMaxNamed = 512;
/** Streams end before livekit-client says that a track is gone. */
const kEndedGraceMs = 2000;

class Member {
  readonly participant: Participant;
  enabled: boolean | undefined;
  /** What the engine has keys for. */
  readonly uses = new Set<Use>();
  constructor(
    readonly identity: string,
    readonly keys: KeyStore,
    readonly data: DataPackets,
    participant: Participant,
  ) {
    this.participant = participant;
    participant.blocked = true;
  }
}

interface Running {
  shared: PipeShared;
  subtle: SubtleCrypto;
}

export class LiveKitWorker {
  readonly #around: Surroundings;
  #policy = kDefaultPolicy;
  #options: KeyProviderOptions = readKeyProviderOptions(undefined);
  /** Something was said before: the policy stands. */
  #spoken = false;
  #running: Running | undefined;
  #ended = false;
  /** In order, one at a time; starts with the engine. */
  #queue: Promise<void> = new Promise(() => {});
  #held: (() => Promise<void> | void)[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #members = new Map<string, Member>();
  readonly #pipes = new Set<Pipe>();
  #sharedKeys: KeyStore | undefined;
  #payloadTypes = new Map<number, NonNullable<ReturnType<typeof readCodec>>>();
  #trailer: Uint8Array = new Uint8Array(0);
  readonly #throttle = new ErrorThrottle();
  readonly #warnings = new Gathered<{ kind: SecurityWarningKind; participant: string; track: string }>((what, count) =>
    this.#tell({ kind: 'warning', warning: { ...what, count } }),
  );

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** How many people something is remembered of. */
  get size(): number {
    return this.#members.size;
  }

  // In ----------------------------------------------------------------------------------------------------------------

  onMessage(message: unknown): void {
    if (this.#ended) return;
    const { kind, data } = fields(message);
    if (kind === 'siegel') {
      this.#onCommand(data as SiegelCommand);
      return;
    }
    const content = fields(data);
    if (kind === 'init') {
      this.#options = readKeyProviderOptions(content.keyProviderOptions);
      this.#begin(undefined);
      this.#around.post({ kind: 'initAck', data: { enabled: false } });
      return;
    }
    this.#begin(undefined);
    this.#enqueue(() => this.#handle(kind, content, message));
  }

  onTransform(transformer: ScriptTransformer): void {
    if (this.#ended) return;
    this.#begin(undefined);
    const options = fields(transformer.options);
    this.#enqueue(() => this.#attach(options.kind, options, transformer));
  }

  /** An error that nobody expected: nothing passes any more. */
  fail(error: MediaError): void {
    if (this.#ended) return;
    this.#end();
    this.#tell({ kind: 'failed', reason: error.reason, message: error.message });
    // For applications that know livekit-client only.
    this.#around.post({ kind: 'error', data: { error: new Error(`InternalError: ${error.message}`) } });
  }

  #onCommand(command: SiegelCommand): void {
    switch (command.kind) {
      case 'init':
        if (!this.#spoken) this.#begin(command.init);
        return;
      case 'ping':
        this.#tell({ kind: 'pong', count: command.count });
        return;
      case 'removeParticipant':
        this.#enqueue(() => this.#remove(command.participant));
        return;
      case 'request': {
        const { id, request } = command;
        if (request.kind === 'close') {
          // At once, also while the engine still loads.
          this.#end();
          this.#reply(id, null);
          return;
        }
        this.#enqueue(() => this.#answer(id, request));
        return;
      }
    }
  }

  // Start and order ---------------------------------------------------------------------------------------------------

  /** With the first message of all: the engine starts, and the policy stands from now on. */
  #begin(init: Extract<SiegelCommand, { kind: 'init' }>['init'] | undefined): void {
    if (this.#spoken) return;
    this.#spoken = true;
    const around = this.#around;
    if (init) {
      this.#policy = readPolicy(init.policy);
      void around.holdLock(init.lock).then(() => this.#tell({ kind: 'locked' }));
    }
    void this.#start(init?.webCryptoFrom, init?.statsIntervalMs);
  }

  async #start(webCryptoFrom: { seal: number; open: number } | undefined, statsMs: number | undefined) {
    const around = this.#around;
    try {
      const { engine, info } = await startEngine(around, 'livekit', webCryptoFrom);
      if (this.#ended) return;
      if (!around.subtle) throw new MediaError('wasm-load', 'There is no WebCrypto here.');
      const shared: PipeShared = {
        engine,
        webCryptoFrom: info.webCryptoFrom,
        now: around.now,
        trapped: () => this.fail(new MediaError('worker-died', 'The engine trapped.')),
        watch: {
          rejected: (pipe, reason, frame) => this.#onRejected(pipe, reason, frame),
          ratcheted: (pipe, index, generation) => {
            const participant = pipe.info.participant;
            this.#enqueue(() => this.#follow(participant, index, generation));
          },
        },
      };
      this.#running = { shared, subtle: around.subtle };
      this.#queue = Promise.resolve();
      for (const task of this.#held.splice(0)) this.#enqueue(task);
      this.#timer = setInterval(() => this.#tick(statsMs !== undefined), statsMs ?? 1000);
      this.#tell({ kind: 'ready', info });
    } catch (error) {
      this.fail(error instanceof MediaError ? error : new MediaError('wasm-load', 'The engine did not start.'));
    }
  }

  #enqueue(task: () => Promise<void> | void): void {
    if (this.#ended) return;
    if (!this.#running) {
      this.#held.push(task);
      return;
    }
    this.#queue = this.#queue.then(async () => {
      if (this.#ended) return;
      try {
        await task();
      } catch (error) {
        if (typeof WebAssembly !== 'undefined' && error instanceof WebAssembly.RuntimeError)
          this.#running?.shared.trapped();
        // Names of DOM exceptions and our own texts only: nothing of what was worked on.
        else this.#error('InternalError', `a message was refused (${(error as Error).name})`, undefined);
      }
    });
  }

  // LiveKit's messages --------------------------------------------------------------------------------------------------

  async #handle(kind: unknown, data: Fields, message: unknown): Promise<void> {
    const identity = text(data.participantIdentity);
    switch (kind) {
      case 'enable':
        if (identity !== undefined) this.#enable(identity, data.enabled === true);
        // The very same message back: livekit-client waits for it.
        this.#around.post(message as FromLiveKitWorker);
        return;
      case 'setKey':
        return this.#setKey(identity, data);
      case 'encode':
      case 'decode': {
        const { readableStream: readable, writableStream: writable } = data;
        const ends = readable && writable ? ({ readable, writable } as PipeEnds) : undefined;
        return this.#attach(kind, data, ends);
      }
      case 'updateCodec':
        return this.#update(identity, data);
      case 'removeTransform':
        for (const pipe of this.#pipes) {
          const { track, participant } = pipe.info;
          if (track === data.trackId && participant === identity) this.#assign(pipe, undefined);
        }
        return;
      case 'setRTPMap':
        if (data.map instanceof Map) this.#setPayloadTypes(data.map);
        return;
      case 'ratchetRequest':
        return this.#ratchet(identity, data.keyIndex);
      case 'setSifTrailer':
        this.#trailer = bytes(data.trailer) ?? new Uint8Array(0);
        for (const { participant } of this.#members.values())
          participant.setInjectedFrames(this.#trailer, this.#policy.acceptInjected);
        return;
      case 'encryptDataRequest':
      case 'decryptDataRequest':
        return this.#data(kind, identity ?? '', data);
      default:
        // setLogLevel: there is no log. Others: of versions to come.
        return;
    }
  }

  #enable(identity: string, enabled: boolean): void {
    const member = this.#member(identity);
    member.enabled = enabled;
    member.participant.blocked = !enabled;
    member.participant.acceptClear = this.#policy.acceptUnencrypted && !enabled;
    if (!enabled) this.#warnAboutFlag(member);
  }

  /** What the server says about somebody we receive. */
  #warnAboutFlag(member: Member): void {
    if (member.enabled !== false) return;
    for (const pipe of member.participant.pipes) {
      if (pipe.info.direction === 'receive') this.#warn('flagged-unencrypted', member.identity, pipe.info.track);
    }
  }

  async #setKey(identity: string | undefined, data: Fields): Promise<void> {
    if (!this.#options.sharedKey && identity === undefined) return;
    const store = this.#options.sharedKey ? this.#shared() : this.#member(identity ?? '').keys;
    const { index, changed, moved } = await store.add(data.key, data.keyIndex, data.updateCurrentKeyIndex !== false);
    for (const member of this.#members.values()) {
      if (member.keys !== store) continue;
      if (changed) member.data.replaced(index);
      for (const use of member.uses) {
        const seals = use === 'send' && index === store.current;
        if ((changed && (use === 'receive' || seals)) || (moved && seals)) await this.#install(member, use, index);
      }
    }
  }

  /** The key at this index as it stands now. */
  async #install(member: Member, use: Use, index: number): Promise<void> {
    const prepared = await member.keys.prepare(index);
    const slot = member.keys.slots.get(index);
    if (!prepared || !slot || member.participant.removed) return;
    const code = member.participant.install(use, index, prepared.bytes, prepared.derivation, true);
    if (code !== 0) throw new RangeError();
    if (use === 'receive') slot.followed = 0;
    for (const pipe of member.participant.pipes) {
      if (use === 'receive' && pipe.info.direction === 'receive') pipe.onReceiveKey();
      if (use === 'send' && pipe.info.direction === 'send') pipe.onSendKey();
    }
  }

  /** From now on the engine has the keys of this member for this purpose. */
  async #activate(member: Member, use: Use): Promise<void> {
    if (member.uses.has(use)) return;
    member.uses.add(use);
    const indices = use === 'send' ? [member.keys.current] : [...member.keys.slots.keys()];
    for (const index of indices) await this.#install(member, use, index);
  }

  async #attach(kind: unknown, data: Fields, ends: PipeEnds | ScriptTransformer | undefined): Promise<void> {
    const shared = this.#running?.shared;
    const track = text(data.trackId);
    const identity = text(data.participantIdentity);
    if (!shared || track === undefined || identity === undefined || (kind !== 'encode' && kind !== 'decode')) return;
    // livekit-client 2.21 and older: the transceiver is used again, its streams are here already.
    if (!ends) return this.#update(identity, data);
    const member = this.#member(identity);
    await this.#activate(member, kind === 'encode' ? 'send' : 'receive');
    // The same track with new streams: whatever still comes through the old ones is nobody's.
    for (const old of this.#pipes) {
      if (old.info.track === track && (old.info.direction === 'send') === (kind === 'encode'))
        this.#assign(old, undefined);
    }
    const pipe = new Pipe(this.#task(kind === 'encode' ? 'send' : 'receive', member, track, data), shared, ends);
    this.#pipes.add(pipe);
    this.#warnAboutFlag(member);
    void pipe.run().then(() => {
      // One that ended while it was somebody's stays, to be reported: now, or when its transceiver is used again.
      if (pipe.participant === undefined || pipe.info.direction === 'send') this.#pipes.delete(pipe);
      else setTimeout(() => this.#reportEnded(pipe), kEndedGraceMs);
    });
  }

  #task(direction: Use, member: Member, track: string, data: Fields): PipeTask {
    const codec = readCodec(data.codec);
    return {
      info: { participant: member.identity, track, kind: codec ? 'video' : 'audio', direction },
      participant: member.participant,
      codec,
      kindFromFrames: true,
      wrapping: direction === 'send' ? this.#appending(data.packetTrailer) : this.#stripping(track, data),
    };
  }

  /** A codec became known, or a transceiver carries another track from now on. */
  async #update(identity: string | undefined, data: Fields): Promise<void> {
    const track = text(data.trackId);
    if (track === undefined || identity === undefined) return;
    const find = (name: unknown) => [...this.#pipes].find((each) => each.info.track === name);
    const pipe = find(track) ?? (data.previousTrackId === undefined ? undefined : find(data.previousTrackId));
    if (!pipe) return;
    const { direction } = pipe.info;
    if (pipe.ended) {
      this.#reportEnded(pipe);
      return;
    }
    const member = this.#member(identity);
    await this.#activate(member, direction);
    const task = this.#task(direction, member, track, data);
    // Options of a sender come with its first message only.
    if (direction === 'send') task.wrapping = pipe.wrapping;
    this.#assign(pipe, task);
    this.#warnAboutFlag(member);
  }

  /** A picture that would stay black without a word. */
  #reportEnded(pipe: Pipe): void {
    const { participant: identity, track } = pipe.info;
    if (!this.#pipes.has(pipe) || pipe.participant?.removed !== false) return;
    this.#error('InternalError', `no frames of track ${track} of participant ${identity} arrive any more`, identity);
  }

  #assign(pipe: Pipe, task: PipeTask | undefined): void {
    pipe.assign(task);
    if (!task && pipe.ended) this.#pipes.delete(pipe);
  }

  #setPayloadTypes(map: Map<unknown, unknown>): void {
    for (const [type, name] of map) {
      const codec = readCodec(name);
      if (typeof type === 'number' && type >= 0 && type <= 127 && codec) this.#payloadTypes.set(type, codec);
    }
    // What we negotiated for sending. Receiving tracks say their codec when they are attached.
    for (const { participant, uses } of this.#members.values())
      if (uses.has('send')) participant.addPayloadTypes(this.#payloadTypes);
  }

  async #ratchet(identity: string | undefined, keyIndex: unknown): Promise<void> {
    const { sharedKey } = this.#options;
    if (!sharedKey && identity === undefined) return;
    const store = sharedKey ? this.#shared() : this.#member(identity ?? '').keys;
    const index = typeof keyIndex === 'number' ? store.index(keyIndex) : store.current;
    const ratchetResult = await store.advance(index);
    if (!ratchetResult) {
      this.#error('InternalError', `no key at index ${index} of participant ${identity ?? ''} to ratchet`, identity);
      return;
    }
    store.current = index;
    for (const member of this.#members.values()) {
      if (member.keys !== store) continue;
      for (const use of member.uses) await this.#install(member, use, index);
    }
    if (!sharedKey && identity !== undefined)
      this.#around.post({
        kind: 'ratchetKey',
        data: { participantIdentity: identity, keyIndex: index, ratchetResult },
      });
  }

  /** The engine went ahead on a verified frame; the application hears of it as from livekit-client. */
  async #follow(identity: string, index: number, generation: number): Promise<void> {
    const member = this.#members.get(identity);
    const slot = member?.keys.slots.get(index);
    // With one key for everybody each sender is ahead on their own.
    if (!member || !slot || this.#options.sharedKey) return;
    const steps = Math.min(generation - slot.followed, 16);
    if (steps <= 0) return;
    slot.followed = generation;
    const ratchetResult = await member.keys.advance(index, steps);
    if (ratchetResult)
      this.#around.post({
        kind: 'ratchetKey',
        data: { participantIdentity: identity, keyIndex: index, ratchetResult },
      });
  }

  // Data packets --------------------------------------------------------------------------------------------------------

  async #data(kind: 'encryptDataRequest' | 'decryptDataRequest', identity: string, data: Fields): Promise<void> {
    const uuid = text(data.uuid);
    const payload = bytes(data.payload);
    if (uuid === undefined) return;
    const member = this.#member(identity);
    try {
      if (!payload) throw new DataError('kMalformed');
      if (kind === 'encryptDataRequest') {
        this.#around.post({ kind: 'encryptDataResponse', data: { uuid, ...(await member.data.encrypt(payload)) } });
        return;
      }
      const iv = bytes(data.iv);
      const keyIndex = typeof data.keyIndex === 'number' ? data.keyIndex : 0;
      if (!iv) throw new DataError('kMalformed');
      const opened = await member.data.decrypt(payload, iv, keyIndex, this.#policy.dataReplayProtection);
      this.#around.post({ kind: 'decryptDataResponse', data: { uuid, payload: opened } });
    } catch (error) {
      const name = error instanceof DataError ? error.message : 'internal';
      const reason: Reason =
        name === 'MissingKey' ? 'MissingKey' : name === 'Authentication' ? 'InvalidKey' : 'InternalError';
      if (name !== 'MissingKey' && kind === 'decryptDataRequest') this.#warn('data-rejected', identity, '');
      // Always answered: somebody waits for it.
      const text = `${reason}: a data packet of participant ${identity} was refused (${name})`;
      this.#around.post({ kind: 'error', data: { error: new Error(text), participantIdentity: identity, uuid } });
    }
  }

  // Frames --------------------------------------------------------------------------------------------------------------

  #onRejected(pipe: Pipe, reason: RejectReason, frame: ArrayBuffer): void {
    const { participant: identity, track, direction } = pipe.info;
    const member = this.#members.get(identity);
    if (!member) return;
    if (direction === 'send') {
      if (member.participant.blocked) {
        this.#warn('send-blocked', identity, track);
        this.#error(
          'InternalError',
          `encryption is not switched on for participant ${identity}, nothing is sent`,
          identity,
        );
      } else if (reason === 'missingKey') {
        this.#error(
          'MissingKey',
          `no key at index ${member.keys.current} to send with for participant ${identity}`,
          identity,
        );
      } else {
        this.#error('InternalError', `a frame of participant ${identity} was refused (${reason})`, identity);
      }
      return;
    }
    const tail = new Uint8Array(frame).subarray(-2);
    const looksSealed = tail.length === 2 && tail[0] === kIvLength;
    switch (reason) {
      case 'missingKey':
        if (looksSealed)
          this.#error('MissingKey', `missing key at index ${tail[1]} for participant ${identity}`, identity);
        else this.#clearFrame(identity, track);
        return;
      case 'malformed':
      case 'frameTooShort':
        this.#clearFrame(identity, track);
        return;
      case 'authentication':
        this.#warn('forged-frames', identity, track);
        this.#error('InvalidKey', `a frame of participant ${identity} does not open under key ${tail[1]}`, identity);
        return;
      case 'replay':
        this.#warn('replayed-frames', identity, track);
        return;
      case 'injectedFrame':
        // The server's mark on something that is not one of its known silences.
        this.#clearFrame(identity, track);
        return;
      default:
        this.#error('InternalError', `a frame of participant ${identity} was refused (${reason})`, identity);
    }
  }

  #clearFrame(identity: string, track: string): void {
    this.#warn('clear-frames', identity, track);
    this.#error('InvalidKey', `a frame of participant ${identity} is not encrypted`, identity);
  }

  #stripping(track: string, data: Fields): PipeTask['wrapping'] {
    if (data.hasPacketTrailer !== true) return undefined;
    return (frame, whole) => {
      const found = frame.type === undefined ? undefined : readTrailer(new Uint8Array(whole));
      if (!found) return whole;
      const { rtpTimestamp = frame.timestamp, synchronizationSource: ssrc = 0 } = frame.getMetadata();
      if (rtpTimestamp !== undefined)
        this.#around.post({
          kind: 'packetTrailerMetadata',
          data: { trackId: track, rtpTimestamp, ssrc, metadata: found.metadata },
        });
      return whole.slice(0, found.size);
    };
  }

  #appending(options: unknown): PipeTask['wrapping'] {
    const { timestamp, frameId } = fields(options);
    if (timestamp !== true && frameId !== true) return undefined;
    let last = 0;
    return (frame: EncodedFrame, sealed) => {
      if (frame.type === undefined) return sealed;
      if (frameId === true) last = last === 0xffffffff ? 1 : last + 1;
      return withTrailer(sealed, timestamp === true ? BigInt(Date.now()) * 1000n : 0n, last);
    };
  }

  // Members -------------------------------------------------------------------------------------------------------------

  #shared(): KeyStore {
    this.#sharedKeys ??= new KeyStore(this.#engine().subtle, this.#options);
    return this.#sharedKeys;
  }

  #member(identity: string): Member {
    let member = this.#members.get(identity);
    if (!member) {
      const { subtle, shared } = this.#engine();
      const { sharedKey, keyringSize, ratchetWindowSize: ratchetWindow } = this.#options;
      const keys = sharedKey ? this.#shared() : new KeyStore(subtle, this.#options);
      const options = { format: 'livekit', keyringSize, ratchetWindow } as const;
      const participant = new Participant(shared.engine, subtle, options);
      participant.setInjectedFrames(this.#trailer, this.#policy.acceptInjected);
      participant.addPayloadTypes(this.#payloadTypes);
      member = new Member(identity, keys, new DataPackets(subtle, keys), participant);
      this.#members.set(identity, member);
      this.#makeRoom();
    }
    return member;
  }

  /** A server may name as many as it likes. Whoever was forgotten is new when something is said of them again. */
  #makeRoom(): void {
    if (this.#members.size <= kMaxNamed) return;
    const named = [...this.#members.values()].filter(({ uses, keys }) => uses.size === 0 && keys.slots.size === 0);
    // The last is the one that this was called for.
    if (named.length > kMaxNamed && named[0]) this.#remove(named[0].identity);
  }

  #engine(): Running {
    if (!this.#running) throw new MediaError('closed', '');
    return this.#running;
  }

  #remove(identity: string): void {
    const member = this.#members.get(identity);
    if (!member) return;
    for (const pipe of [...member.participant.pipes]) this.#assign(pipe, undefined);
    member.participant.remove();
    if (member.keys !== this.#sharedKeys) member.keys.clear();
    this.#members.delete(identity);
  }

  // Out -----------------------------------------------------------------------------------------------------------------

  async #answer(id: number, request: Exclude<SiegelRequest, { kind: 'close' }>): Promise<void> {
    try {
      switch (request.kind) {
        case 'snapshot':
          this.#reply(id, this.#snapshot());
          return;
        case 'sealData':
          this.#reply(id, await this.#member(request.context.sender).data.seal(request.payload, request.context));
          return;
        case 'openData':
          this.#reply(id, await this.#member(request.context.sender).data.open(request.packet, request.context));
          return;
      }
    } catch (error) {
      const code = error instanceof DataError ? error.code : 255;
      if (request.kind === 'openData' && error instanceof DataError && error.message !== 'MissingKey')
        this.#warn('data-rejected', request.context.sender, '');
      this.#tell({ kind: 'reply', id, outcome: { kind: 'refused', data: code } });
    }
  }

  #reply(id: number, data: SiegelAnswer): void {
    this.#tell({ kind: 'reply', id, outcome: { kind: 'value', data } });
  }

  #tell(data: SiegelReport): void {
    this.#around.post({ kind: 'siegel', data });
  }

  #error(reason: Reason, message: string, identity: string | undefined): void {
    if (!this.#throttle.allows(`${reason} ${identity ?? ''}`, this.#around.now())) return;
    const error = new Error(`${reason}: ${message}`);
    this.#around.post({
      kind: 'error',
      data: identity === undefined ? { error } : { error, participantIdentity: identity },
    });
  }

  #warn(kind: SecurityWarningKind, participant: string, track: string): void {
    this.#warnings.add(`${kind} ${participant} ${track}`, { kind, participant, track }, this.#around.now());
  }

  #tick(stats: boolean): void {
    this.#warnings.flush(this.#around.now());
    if (stats) this.#tell({ kind: 'stats', stats: this.#snapshot() });
  }

  #snapshot(): StatsSnapshot {
    const tracks: TrackCounters[] = [];
    for (const { participant } of this.#members.values())
      for (const counters of participant.tracks) tracks.push({ ...counters, rejected: { ...counters.rejected } });
    return { now: this.#around.now(), tracks };
  }

  /** Wipes keys and frames. Pipes see their participant removed and drop what they read. */
  #end(): void {
    this.#ended = true;
    clearInterval(this.#timer);
    this.#held = [];
    for (const { participant, keys } of this.#members.values()) {
      try {
        participant.remove();
      } catch {
        // After a trap the module may not even be able to give up its objects.
      }
      keys.clear();
    }
    this.#members.clear();
    this.#pipes.clear();
    try {
      this.#running?.shared.engine.module._siegel_wipe();
    } catch {
      // As above.
    }
    this.#running = undefined;
  }
}
