/**
 * The worker without its globals: messages in, messages out, transforms. siegel_worker.ts gives it the real surroundings,
 * tests give it others.
 *
 * Until the engine is ready every transform is held: its frames stay unread, so nothing passes. After a failure the same
 * holds for good. Messages are worked through in the order in which they came.
 */

import { EngineError } from '../errors';
import {
  type AttachInfo,
  type FromWorker,
  type InitData,
  never,
  type Outcome,
  type Request,
  readAttachInfo,
  type ToWorker,
} from '../protocol';
import { MediaError, type StatsSnapshot, type TrackCounters } from '../types';
import type { FrameEngine } from './frame_engine';
import type { ScriptTransformer } from './globals';
import { Participant } from './participant';
import { Pipe, type PipeEnds, type PipeShared } from './pipe';
import { type EngineSurroundings, startEngine } from './start';

export interface Surroundings extends EngineSurroundings {
  post(message: FromWorker): void;
}

export class MediaWorker {
  readonly #around: Surroundings;
  #init: InitData | undefined;
  #running: { engine: FrameEngine; shared: PipeShared } | undefined;
  #ended = false;
  /** What came before the engine was there. */
  #held: (() => void)[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #participants = new Map<string, Participant>();

  constructor(around: Surroundings) {
    this.#around = around;
  }

  onMessage(data: unknown): void {
    if (typeof data !== 'object' || data === null) return;
    const message = data as ToWorker;
    switch (message.kind) {
      case 'init':
        if (this.#init === undefined) {
          this.#init = message.data;
          void this.#start(message.data);
        }
        return;
      case 'ping':
        this.#around.post({ kind: 'pong', data: message.data });
        return;
      case 'attach': {
        const info = readAttachInfo(message.data);
        if (!info) return;
        const { readable, writable } = message.data;
        this.#attach(info, { readable, writable } as PipeEnds);
        return;
      }
      case 'setPayloadTypes': {
        const { participant, track, map } = message.data;
        this.#whenReady(() => this.#participant(participant).addPayloadTypes(map, track));
        return;
      }
      case 'removeParticipant': {
        const { participant } = message.data;
        this.#whenReady(() => {
          this.#participants.get(participant)?.remove();
          this.#participants.delete(participant);
        });
        return;
      }
      case 'request':
        this.#onRequest(message.data.id, message.data.request);
        return;
      default:
        never(message);
    }
  }

  onTransform(transformer: ScriptTransformer): void {
    const info = readAttachInfo(transformer.options);
    if (info) this.#attach(info, transformer);
  }

  /** An error that nobody expected: nothing passes any more. */
  fail(error: MediaError): void {
    if (this.#ended) return;
    this.#end();
    this.#around.post({ kind: 'failed', data: { reason: error.reason, message: error.message } });
  }

  async #start(init: InitData): Promise<void> {
    const around = this.#around;
    void around.holdLock(init.lock).then(() => around.post({ kind: 'locked', data: null }));
    try {
      const { engine, info } = await startEngine(around, init.format, init.webCryptoFrom);
      if (this.#ended) return;
      const shared: PipeShared = {
        engine,
        webCryptoFrom: info.webCryptoFrom,
        now: around.now,
        trapped: () => this.fail(new MediaError('worker-died', 'The engine trapped.')),
      };
      this.#running = { engine, shared };
      for (const task of this.#held.splice(0)) task();
      this.#timer = setInterval(() => this.#report(), init.statsIntervalMs);
      around.post({ kind: 'ready', data: info });
    } catch (error) {
      this.fail(error instanceof MediaError ? error : new MediaError('wasm-load', 'The engine did not start.'));
    }
  }

  #whenReady(task: () => void): void {
    if (this.#ended) return;
    if (this.#running) task();
    else this.#held.push(task);
  }

  #attach(info: AttachInfo, ends: PipeEnds): void {
    this.#whenReady(() => {
      const shared = this.#running?.shared;
      if (!shared) return;
      const participant = this.#participant(info.participant);
      const pipe = new Pipe({ info, participant }, shared, ends);
      void pipe.run();
    });
  }

  #participant(id: string): Participant {
    let participant = this.#participants.get(id);
    if (participant === undefined) {
      const { running, init } = { running: this.#running, init: this.#init };
      if (!running || !init) throw new MediaError('closed', 'The engine is not there.');
      participant = new Participant(running.engine, this.#around.subtle, init);
      this.#participants.set(id, participant);
    }
    return participant;
  }

  #onRequest(id: number, request: Request): void {
    const reply = (outcome: Outcome) => this.#around.post({ kind: 'reply', data: { id, outcome } });
    if (request.kind === 'close') {
      // At once, also while the engine still loads.
      this.#end();
      reply({ kind: 'value', data: 0 });
      return;
    }
    this.#whenReady(() => {
      try {
        reply(this.#answer(request));
      } catch (error) {
        reply({ kind: 'refused', data: error instanceof EngineError ? error.code : 255 });
        if (typeof WebAssembly !== 'undefined' && error instanceof WebAssembly.RuntimeError)
          this.#running?.shared.trapped();
      }
    });
  }

  #answer(request: Exclude<Request, { kind: 'close' }>): Outcome {
    const value = (data: number | StatsSnapshot): Outcome => ({ kind: 'value', data });
    switch (request.kind) {
      case 'setKey': {
        const participant = this.#participant(request.data.participant);
        const code = participant.setKey(request.data);
        if (code !== 0) return { kind: 'refused', data: code };
        for (const pipe of participant.pipes) {
          if (request.data.usage === 'send') pipe.onSendKey();
          else pipe.onReceiveKey();
        }
        return value(0);
      }
      case 'ratchet': {
        const generation = this.#participants.get(request.data.participant)?.ratchet() ?? -1;
        return generation < 0 ? { kind: 'refused', data: -generation } : value(generation);
      }
      case 'dropKey': {
        const { participant, usage, keyIndex } = request.data;
        const code = this.#participants.get(participant)?.dropKey(usage, keyIndex) ?? 0;
        return code === 0 ? value(0) : { kind: 'refused', data: code };
      }
      case 'snapshot':
        return value(this.#snapshot());
    }
  }

  #snapshot(): StatsSnapshot {
    const tracks: TrackCounters[] = [];
    for (const participant of this.#participants.values()) {
      for (const counters of participant.tracks) tracks.push({ ...counters, rejected: { ...counters.rejected } });
    }
    return { now: this.#around.now(), tracks };
  }

  #report(): void {
    this.#around.post({ kind: 'stats', data: this.#snapshot() });
  }

  /** Wipes keys and frames. Pipes see their participant removed and drop what they read. */
  #end(): void {
    this.#ended = true;
    clearInterval(this.#timer);
    this.#held = [];
    for (const participant of this.#participants.values()) {
      try {
        participant.remove();
      } catch {
        // After a trap the module may not even be able to give up its objects.
      }
    }
    this.#participants.clear();
    try {
      this.#running?.engine.module._siegel_wipe();
    } catch {
      // As above.
    }
    this.#running = undefined;
  }
}
