/**
 * A stand-in for the WebAssembly module with the same memory layout and calls, so that tests can look into it and make it
 * misbehave. Format: one clear byte, AES-128-GCM of the rest, IV, key index.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type EngineModule, ResultField } from '../../../web/media/engine_types';
import type { EncodedFrame, EncodedFrameMetadata } from '../../../web/media/worker/globals';

const kAt = 1024;
const kHeadroom = 64;
const kCapacity = 1 << 16;
const kResult = 64;
const kScratch = 256;
const fail = { missingKey: -1, authentication: -2, replay: -3, short: -5, codec: -6 };

interface Ticket {
  iv: Buffer;
  keyIndex: number;
}

class Ring {
  static live = new Map<number, Ring>();
  static next = 1;
  readonly handle = Ring.next++;
  readonly keys = new Map<number, { key: Buffer; serial: number }>();
  readonly tickets = new Map<number, Ticket>();
  readonly seen = new Set<string>();
  current = -1;
  generations = 0;
  constructor() {
    Ring.live.set(this.handle, this);
  }
  setKey(keyIndex: number, material: Uint8Array): number {
    if (material.length === 0) return 11;
    this.keys.set(keyIndex, { key: Buffer.from(material.slice(0, 16)), serial: Ring.next++ });
    this.current = keyIndex;
    return 0;
  }
  setSFrameKey(_suite: number, kid: bigint, material: Uint8Array): number {
    return this.setKey(Number(kid), material);
  }
  setMetadata(): number {
    return 0;
  }
  setInjectedFrames(): number {
    return 0;
  }
  ratchet(): number {
    return this.current < 0 ? -1 : ++this.generations;
  }
  dropKey(keyIndex: number): number {
    this.keys.delete(keyIndex);
    if (this.current === keyIndex) this.current = -1;
    return 0;
  }
  currentKeyIndex(): number {
    return this.current;
  }
  delete(): void {
    Ring.live.delete(this.handle);
  }
}

export interface FakeEngine extends EngineModule {
  /** Set: the next frame call behaves like a module that ran into a trap. */
  trap: boolean;
  wiped: boolean;
  live(): number;
}

export function fakeEngine(): FakeEngine {
  const memory = new ArrayBuffer(1 << 18);
  const heap = new Uint8Array(memory);
  const words = new Uint32Array(memory);
  const set = (field: number, value: number) => {
    words[kResult / 4 + field] = value;
  };
  const report = (offset: number, size: number, keyIndex: number): number => {
    set(ResultField.offset, offset);
    set(ResultField.size, size);
    set(ResultField.clear, 1);
    set(ResultField.keyIndex, keyIndex);
    set(ResultField.generation, 0);
    set(ResultField.injected, 0);
    return size;
  };
  const start = kAt + kHeadroom;
  const ring = (handle: number): Ring => {
    if (engine.trap) throw new WebAssembly.RuntimeError('unreachable');
    const found = Ring.live.get(handle);
    // What a real module would turn into a crash or worse.
    if (!found) throw new Error('use after free');
    return found;
  };
  let tickets = 0;

  const engine: FakeEngine = {
    trap: false,
    wiped: false,
    live: () => Ring.live.size,
    HEAPU8: heap,
    HEAPU32: words,
    Sealer: Ring as never,
    Opener: Ring as never,
    errorCount: () => 17,
    variant: () => 'simd',
    _siegel_area: () => kAt,
    _siegel_capacity: () => kCapacity,
    _siegel_headroom: () => kHeadroom,
    _siegel_result: () => kResult,
    _siegel_seal(handle, length, codec) {
      const sealer = ring(handle);
      const slot = sealer.keys.get(sealer.current);
      if (!slot) return fail.missingKey;
      if (codec === 0) return fail.codec;
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-128-gcm', slot.key, iv);
      cipher.setAAD(heap.subarray(start, start + 1));
      const text = Buffer.concat([cipher.update(heap.slice(start + 1, start + length)), cipher.final()]);
      const out = Buffer.concat([text, cipher.getAuthTag(), iv, Buffer.of(sealer.current)]);
      heap.set(out, start + 1);
      return report(start, 1 + out.length, sealer.current);
    },
    _siegel_open(handle, length) {
      const opener = ring(handle);
      if (length < 30) return fail.short;
      const keyIndex = heap[start + length - 1]!;
      const slot = opener.keys.get(keyIndex);
      if (!slot) return fail.missingKey;
      const iv = Buffer.from(heap.slice(start + length - 13, start + length - 1));
      const decipher = createDecipheriv('aes-128-gcm', slot.key, iv);
      decipher.setAAD(heap.subarray(start, start + 1));
      decipher.setAuthTag(heap.slice(start + length - 29, start + length - 13));
      let text: Buffer;
      try {
        text = Buffer.concat([decipher.update(heap.slice(start + 1, start + length - 29)), decipher.final()]);
      } catch {
        return fail.authentication;
      }
      if (opener.seen.has(iv.toString('hex'))) return fail.replay;
      opener.seen.add(iv.toString('hex'));
      heap.set(text, start + 1);
      return report(start, 1 + text.length, keyIndex);
    },
    _siegel_seal_begin(handle, length, codec) {
      const sealer = ring(handle);
      const slot = sealer.keys.get(sealer.current);
      if (!slot) return fail.missingKey;
      if (codec === 0) return fail.codec;
      report(start, length, sealer.current);
      begin(sealer, slot, { iv: randomBytes(12), keyIndex: sealer.current }, length - 1);
      return 0;
    },
    _siegel_seal_finish(handle, ticket, length) {
      const sealer = ring(handle);
      const open = sealer.tickets.get(ticket);
      if (!open) throw new Error('no such ticket');
      sealer.tickets.delete(ticket);
      heap.set(open.iv, start + length);
      heap[start + length + 12] = open.keyIndex;
      return report(start, length + 13, open.keyIndex);
    },
    _siegel_seal_cancel(handle, ticket) {
      if (!ring(handle).tickets.delete(ticket)) throw new Error('no such ticket');
    },
    _siegel_open_begin(handle, length) {
      const opener = ring(handle);
      if (length < 30) return fail.short;
      const keyIndex = heap[start + length - 1]!;
      const slot = opener.keys.get(keyIndex);
      if (!slot) return fail.missingKey;
      report(start, length - 29, keyIndex);
      const iv = Buffer.from(heap.slice(start + length - 13, start + length - 1));
      begin(opener, slot, { iv, keyIndex }, length - 14);
      return 0;
    },
    _siegel_open_finish(handle, ticket, _length, verified) {
      const opener = ring(handle);
      const open = opener.tickets.get(ticket);
      if (!open) throw new Error('no such ticket');
      opener.tickets.delete(ticket);
      if (!verified) return 0;
      if (opener.seen.has(open.iv.toString('hex'))) return fail.replay;
      opener.seen.add(open.iv.toString('hex'));
      return 0;
    },
    _siegel_wipe() {
      engine.wiped = true;
      heap.fill(0);
    },
  };
  function begin(owner: Ring, slot: { key: Buffer; serial: number }, ticket: Ticket, textSize: number): void {
    if (owner.tickets.size >= 64) throw new Error('too many tickets');
    owner.tickets.set(++tickets, ticket);
    heap.set(ticket.iv, kScratch);
    heap.set(slot.key, kScratch + 16);
    set(ResultField.iv, kScratch);
    set(ResultField.key, kScratch + 16);
    set(ResultField.keySize, 16);
    set(ResultField.keySerial, slot.serial);
    set(ResultField.text, start + 1);
    set(ResultField.textSize, textSize);
    set(ResultField.ticket, tickets);
  }
  Ring.live.clear();
  return engine;
}

/** An encoded frame as the browser hands it over. */
export function frame(
  data: Uint8Array,
  { type, timestamp = 0, ...metadata }: { type?: string; timestamp?: number } & EncodedFrameMetadata = {},
): EncodedFrame {
  return {
    data: data.slice().buffer as ArrayBuffer,
    ...(type === undefined ? {} : { type }),
    timestamp,
    getMetadata: () => ({ synchronizationSource: 7, ...metadata }),
  };
}

/** Both ends of a transform, with what came out. */
export class FakeTransform {
  readonly out: EncodedFrame[] = [];
  readonly readable: ReadableStream<EncodedFrame>;
  readonly writable: WritableStream<EncodedFrame>;
  keyFrameRequests = 0;
  #controller!: ReadableStreamDefaultController<EncodedFrame>;

  constructor(readonly options: unknown) {
    this.readable = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    this.writable = new WritableStream({
      write: (item) => {
        this.out.push(item);
      },
    });
  }
  push(...frames: EncodedFrame[]): void {
    for (const each of frames) this.#controller.enqueue(each);
  }
  close(): void {
    this.#controller.close();
  }
  async sendKeyFrameRequest(): Promise<void> {
    this.keyFrameRequests++;
  }
  texts(): number[][] {
    return this.out.map(({ data }) => [...new Uint8Array(data)]);
  }
}

/** Long enough for everything that is ready to run. */
export const settle = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));
