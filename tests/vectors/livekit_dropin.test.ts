// The drop-in worker against the published one of livekit-client 2.23, message for message, frame for frame, both ways, with
// frames that are new in every run. A failure prints the seed: SIEGEL_SEED=… repeats it.
import { beforeAll, describe, expect, test } from 'vitest';
import type { EncodedFrame } from '../../web/media/worker/globals';
import { importKey, Stand } from '../unit/livekit/stand';
import { type FakeTransform, frame } from '../unit/media/fake_engine';
// @ts-expect-error Plain JavaScript, shared with the oracle of the engine.
import * as published from './livekit_worker.mjs';

const seed = Number(process.env.SIEGEL_SEED ?? crypto.getRandomValues(new Uint32Array(1))[0]);
console.log(`livekit drop-in: SIEGEL_SEED=${seed}`);

let state = seed >>> 0;
function random(): number {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n: number) => Math.floor(random() * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
const bytes = (size: number) => Uint8Array.from({ length: size }, () => below(256));

interface Sample {
  data: Uint8Array;
  codec: string;
  type: string;
  ssrc: number;
  timestamp: number;
}

/** One slice behind four-byte start codes; values without zeros, so the payload holds no start code. */
function slices(codec: string, key: boolean): Uint8Array {
  const body = () => Uint8Array.from({ length: 5 + below(900) }, () => 1 + below(255));
  const [header, parameters] =
    codec === 'h264'
      ? [[key ? 0x65 : 0x61], [[0x67], [0x68]]]
      : [
          [(key ? 19 : 1) << 1, 1],
          [
            [32 << 1, 1],
            [33 << 1, 1],
            [34 << 1, 1],
          ],
        ];
  const units = [...(key ? parameters : []), header];
  return Uint8Array.from(units.flatMap((each) => [0, 0, 0, 1, ...each, ...body()]));
}

let clock = below(2 ** 32);
function sample(codec: string): Sample {
  const key = random() < 0.3;
  clock = (clock + 3000) >>> 0;
  const data = codec.startsWith('h26') ? slices(codec, key) : bytes(10 + pick([0, 1, 16, below(200), below(5000)]));
  const type = codec === 'opus' ? 'audio' : key ? 'key' : 'delta';
  return { data, codec, type, ssrc: pick([1, 0x12345678, 0xffffffff]), timestamp: clock };
}

const encoded = ({ data, codec, type, ssrc, timestamp }: Sample): EncodedFrame =>
  frame(data, {
    ...(type === 'audio' ? {} : { type, mimeType: `video/${codec.toUpperCase()}` }),
    timestamp,
    synchronizationSource: ssrc,
  });

const plain = (samples: Sample[]) => samples.map(({ data }) => [...data]);
const kKeys = { sharedKey: false, ratchetWindowSize: 10, failureTolerance: -1, keyringSize: 256, keySize: 128 };
let stand: Stand;
let people = 0;

beforeAll(async () => {
  await published.startWorker(kKeys);
  stand = await Stand.start({ plain: true, keys: kKeys });
});

/** The same person with the same key in both workers. */
async function person(raw: Uint8Array | string, keyIndex: number): Promise<string> {
  const name = `person-${++people}`;
  const how = typeof raw === 'string' ? 'PBKDF2' : 'HKDF';
  await published.participant(name, raw, keyIndex, how);
  const key = await importKey(raw, how);
  stand.enable(name);
  stand.say('setKey', { participantIdentity: name, key, keyIndex, updateCurrentKeyIndex: true });
  await stand.idle();
  return name;
}

async function through(kind: 'encode' | 'decode', name: string, samples: Sample[]): Promise<number[][]> {
  const ends: FakeTransform = stand.track(kind, name, `ours-${++people}`);
  await stand.idle();
  ends.push(...samples.map(encoded));
  await stand.until(() => ends.out.length === samples.length);
  return ends.texts();
}

const wire = (samples: Sample[], out: number[][]): Sample[] =>
  samples.map((each, i) => ({ ...each, data: Uint8Array.from(out[i] ?? []) }));

describe.each(['opus', 'vp8', 'vp9', 'h264', 'h265'])('%s', (codec) => {
  test(`theirs to ours (seed ${seed})`, async () => {
    const name = await person(bytes(16), below(256));
    const samples = Array.from({ length: 60 }, () => sample(codec));
    const sealed: { data: Uint8Array }[] = await published.throughWorker('encode', name, samples);
    const opened = await through(
      'decode',
      name,
      wire(
        samples,
        sealed.map(({ data }) => [...data]),
      ),
    );
    expect(opened).toEqual(plain(samples));
  });

  test(`ours to theirs (seed ${seed})`, async () => {
    const name = await person(bytes(16), below(256));
    const samples = Array.from({ length: 60 }, () => sample(codec));
    const sealed = await through('encode', name, samples);
    const opened: { data: Uint8Array }[] = await published.throughWorker('decode', name, wire(samples, sealed));
    expect(opened.map(({ data }) => [...data])).toEqual(plain(samples));
  });
});

test(`a pass phrase, both ways (seed ${seed})`, async () => {
  const name = await person(`geheim ${below(1e9)}`, 0);
  const samples = Array.from({ length: 20 }, () => sample('vp8'));
  const ours = await through('encode', name, samples);
  const theirs: { data: Uint8Array }[] = await published.throughWorker('encode', name, samples);
  const back: { data: Uint8Array }[] = await published.throughWorker('decode', name, wire(samples, ours));
  expect(back.map(({ data }) => [...data])).toEqual(plain(samples));
  expect(
    await through(
      'decode',
      name,
      wire(
        samples,
        theirs.map(({ data }) => [...data]),
      ),
    ),
  ).toEqual(plain(samples));
});

test(`a ratchet step on request, and both tell the application the same key (seed ${seed})`, async () => {
  const name = await person(bytes(16), 3);
  type Told = { kind: string; data: { participantIdentity: string; ratchetResult: { chainKey: ArrayBuffer } } };
  const told = (posted: Told[]) =>
    posted.filter(({ kind, data }) => kind === 'ratchetKey' && data.participantIdentity === name);
  await published.tell('ratchetRequest', { participantIdentity: name, keyIndex: 3 });
  await stand.until(() => told(published.posted).length > 0);
  const samples = Array.from({ length: 10 }, () => sample('opus'));
  const theirs: { data: Uint8Array }[] = await published.throughWorker('encode', name, samples);
  expect(
    await through(
      'decode',
      name,
      wire(
        samples,
        theirs.map(({ data }) => [...data]),
      ),
    ),
  ).toEqual(plain(samples));
  await stand.idle();
  const chain = ({ data }: Told) => [...new Uint8Array(data.ratchetResult.chainKey)];
  const ours = told(stand.posted as Told[]).map(chain);
  expect(ours.length).toBe(1);
  expect(ours).toEqual(told(published.posted).map(chain));
});

test(`data packets, both ways (seed ${seed})`, async () => {
  const name = await person(bytes(16), below(256));
  interface Answer {
    kind: string;
    data: { uuid?: string; payload: Uint8Array; iv: Uint8Array; keyIndex: number };
  }
  const find = (posted: Answer[], uuid: string) => posted.find(({ data }) => data?.uuid === uuid)?.data;
  for (let i = 0; i < 20; i++) {
    const payload = bytes(below(3000));
    stand.say('encryptDataRequest', { uuid: `a${i}`, payload, participantIdentity: name });
    await stand.idle();
    const ours = find(stand.posted as Answer[], `a${i}`)!;
    await published.tell('decryptDataRequest', { ...ours, uuid: `b${i}`, participantIdentity: name });
    await published.tell('encryptDataRequest', { uuid: `c${i}`, payload, participantIdentity: name });
    // It says when it is done by answering; a busy machine takes its time.
    await stand.until(() => Boolean(find(published.posted, `b${i}`) && find(published.posted, `c${i}`)));
    expect([...find(published.posted, `b${i}`)!.payload]).toEqual([...payload]);
    const theirs = find(published.posted, `c${i}`)!;
    stand.say('decryptDataRequest', { ...theirs, uuid: `d${i}`, participantIdentity: name });
    await stand.idle();
    expect([...find(stand.posted as Answer[], `d${i}`)!.payload]).toEqual([...payload]);
  }
});
