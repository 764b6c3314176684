// Data packets, both schemes, against an independent implementation (node:crypto, written from docs/formats.md).
import { createCipheriv, createDecipheriv, hkdfSync, pbkdf2Sync, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { DataCipher } from '../../../web/livekit/data';
import { EngineError, kErrorNames } from '../../../web/media/errors';
import { material, Stand, type StandOptions } from './stand';

const code = (name: (typeof kErrorNames)[number]) => kErrorNames.indexOf(name);
const raw = material(5);
const sender = '@alice:hs:DEV';

async function people(options: StandOptions = {}) {
  const [alice, bob] = await Promise.all([Stand.start(options), Stand.start(options)]);
  await Promise.all([alice.key(sender, 2, raw), bob.key(sender, 2, raw)]);
  return { alice, bob };
}

describe('ours', () => {
  const utf8 = (text: string) => Buffer.from(text);
  const named = (name: string) => {
    const size = Buffer.alloc(2);
    size.writeUInt16BE(utf8(name).length);
    return Buffer.concat([size, utf8(name)]);
  };
  const dataKey = () => Buffer.from(hkdfSync('sha256', raw, utf8('SiegelDataKey'), utf8(sender), 32));
  /** As docs/formats.md says it. */
  function reference(
    key: Buffer,
    stream: Buffer,
    counter: number,
    payload: Buffer,
    topic: string,
    keyIndex = 2,
  ): Buffer {
    const header = Buffer.concat([Buffer.of(1, keyIndex), stream, Buffer.alloc(4)]);
    header.writeUInt32BE(counter, 10);
    const cipher = createCipheriv('aes-256-gcm', key, header.subarray(2));
    cipher.setAAD(Buffer.concat([header, named(sender), named(topic)]));
    return Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  }
  const seal = (stand: Stand, payload: Uint8Array, topic: string) =>
    stand.request({ kind: 'sealData', payload: Uint8Array.from(payload), context: { sender, topic } });
  const open = (stand: Stand, packet: Uint8Array, topic = 'chat', from = sender) =>
    stand.request({ kind: 'openData', packet: Uint8Array.from(packet), context: { sender: from, topic } });

  test('what the worker seals, node:crypto opens; and the reverse', async () => {
    const { alice, bob } = await people();
    const payload = randomBytes(300);
    const packet = Buffer.from((await seal(alice, payload, 'chat')) as Uint8Array);
    const stream = packet.subarray(2, 10);
    expect(packet).toEqual(reference(dataKey(), stream, packet.readUInt32BE(10), payload, 'chat'));
    expect(await open(bob, packet)).toEqual(new Uint8Array(payload));
    const theirs = reference(dataKey(), randomBytes(8), 7, payload, 'chat');
    expect(await open(bob, theirs)).toEqual(new Uint8Array(payload));
    // Counters go up, the stream stays.
    const next = Buffer.from((await seal(alice, payload, 'chat')) as Uint8Array);
    expect(next.subarray(2, 10)).toEqual(stream);
    expect(next.readUInt32BE(10)).toBe(packet.readUInt32BE(10) + 1);
  });

  test('a pass phrase: the sender goes into the salt', async () => {
    const stand = await Stand.start({ keys: { sharedKey: true, ratchetWindowSize: 0 } });
    await stand.key(undefined, 0, 'Parole', true, 'PBKDF2');
    const packet = Buffer.from((await seal(stand, randomBytes(9), 'x')) as Uint8Array);
    const key = pbkdf2Sync('Parole', utf8(`SiegelDataKey\0${sender}`), 100_000, 32, 'sha256');
    const cipher = createDecipheriv('aes-256-gcm', key, packet.subarray(2, 14));
    cipher.setAAD(Buffer.concat([packet.subarray(0, 14), named(sender), named('x')]));
    cipher.setAuthTag(packet.subarray(-16));
    expect(() => Buffer.concat([cipher.update(packet.subarray(14, -16)), cipher.final()])).not.toThrow();
  });

  // Seen to fail: with the line that checks the window out of open().
  test('each packet opens once, in any order within the window; older ones never', async () => {
    const { bob } = await people();
    const stream = randomBytes(8);
    const packet = (counter: number) => reference(dataKey(), stream, counter, Buffer.of(counter & 255), 'chat');
    for (const counter of [5, 3, 4, 1100])
      expect(await open(bob, packet(counter))).toEqual(Uint8Array.of(counter & 255));
    for (const counter of [5, 3, 4, 1100, 76, 0]) expect(await open(bob, packet(counter))).toBe(code('kReplay'));
    for (const counter of [77, 1099]) expect(await open(bob, packet(counter))).toEqual(Uint8Array.of(counter & 255));
    // The key posted again, as livekit-client does, opens nothing again.
    await bob.key(sender, 2, raw, false);
    expect(await open(bob, packet(1100))).toBe(code('kReplay'));
    expect(bob.warnings[0]).toEqual({ kind: 'data-rejected', participant: sender, track: '', count: 1 });
  });

  // Seen to fail: with `additionalData` reduced to the header (the topic could be changed), and with the window moved before the
  // tag was checked.
  test('moved or changed packets do not open, and move no window', async () => {
    const { bob } = await people();
    await bob.key('other', 2, raw);
    const good = reference(dataKey(), randomBytes(8), 1, Buffer.from('words'), 'chat');
    expect(await open(bob, good, 'chat2')).toBe(code('kAuthentication'));
    expect(await open(bob, good, 'chat', 'other')).toBe(code('kAuthentication'));
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at]! ^= 1;
      const expected = at === 0 ? 'kMalformed' : at === 1 ? 'kMissingKey' : 'kAuthentication';
      expect(await open(bob, bad), `byte ${at}`).toBe(code(expected));
    }
    for (const size of [0, 1, 13, 14, 29]) expect(await open(bob, good.subarray(0, size))).toBe(code('kMalformed'));
    // A far counter that does not verify must not close the window for those before it.
    const far = reference(dataKey(), good.subarray(2, 10), 4_000_000_000, Buffer.of(1), 'elsewhere');
    expect(await open(bob, far)).toBe(code('kAuthentication'));
    expect(await open(bob, good)).toEqual(new Uint8Array(Buffer.from('words')));
  });

  // Seen to fail: without the limit of streams.
  test('limits: streams under one key, names, no key', async () => {
    const { alice, bob } = await people();
    for (let i = 0; i < 64; i++)
      expect(await open(bob, reference(dataKey(), randomBytes(8), 0, Buffer.of(1), 'chat'))).toEqual(Uint8Array.of(1));
    expect(await open(bob, reference(dataKey(), randomBytes(8), 0, Buffer.of(1), 'chat'))).toBe(
      code('kTooManyStreams'),
    );
    expect(await seal(alice, Buffer.of(1), 'x'.repeat(257))).toBe(code('kInvalidArgument'));
    const nobody = await Stand.start();
    expect(await seal(nobody, Buffer.of(1), 'chat')).toBe(code('kMissingKey'));
    await bob.key(sender, 2, material(6));
    expect(await open(bob, reference(dataKey(), randomBytes(8), 0, Buffer.of(1), 'chat'))).toBe(
      code('kAuthentication'),
    );
  });

  test("the page's class copies what it is given, and refuses with the engine's errors", async () => {
    const asked: unknown[] = [];
    const cipher = new DataCipher(async (request, transfer) => {
      asked.push(structuredClone(request, { transfer }));
      return request.kind === 'sealData' ? Uint8Array.of(9) : null;
    });
    const payload = Uint8Array.of(1, 2);
    expect(await cipher.seal(payload, { sender, topic: 't' })).toEqual(Uint8Array.of(9));
    expect(payload).toEqual(Uint8Array.of(1, 2));
    expect(asked).toEqual([{ kind: 'sealData', payload, context: { sender, topic: 't' } }]);
    await expect(cipher.open(payload, { sender, topic: 't' })).rejects.toBeInstanceOf(EngineError);
  });
});

describe("LiveKit's", () => {
  const aesKey = Buffer.from(hkdfSync('sha256', raw, 'LKFrameEncryptionKey', Buffer.alloc(128), 32)).subarray(0, 16);
  let uuids = 0;
  async function ask(stand: Stand, kind: 'encryptDataRequest' | 'decryptDataRequest', data: object) {
    const uuid = `u${++uuids}`;
    stand.say(kind, { uuid, participantIdentity: sender, ...data });
    await stand.idle();
    const answers = stand.posted.filter(({ data }) => (data as { uuid?: string }).uuid === uuid);
    expect(answers.length).toBe(1);
    return answers[0]!;
  }

  // Seen to fail: with the remembered IVs not asked.
  test('what the worker seals, node:crypto opens; and the reverse, once', async () => {
    const { alice, bob } = await people();
    const payload = new Uint8Array(randomBytes(100));
    const answer = await ask(alice, 'encryptDataRequest', { payload });
    if (answer.kind !== 'encryptDataResponse') throw new Error(answer.kind);
    const { payload: sealed, iv, keyIndex } = answer.data;
    expect(keyIndex).toBe(2);
    const decipher = createDecipheriv('aes-128-gcm', aesKey, iv);
    decipher.setAuthTag(sealed.subarray(-16));
    expect(Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])).toEqual(Buffer.from(payload));
    const packet = { payload: sealed, iv, keyIndex };
    expect(await ask(bob, 'decryptDataRequest', packet)).toMatchObject({
      kind: 'decryptDataResponse',
      data: { payload },
    });
    const again = await ask(bob, 'decryptDataRequest', packet);
    expect(again.kind === 'error' && again.data.error.message).toBe(
      `InternalError: a data packet of participant ${sender} was refused (Replay)`,
    );
    const loose = await people({ policy: { dataReplayProtection: false } });
    for (let i = 0; i < 2; i++)
      expect((await ask(loose.bob, 'decryptDataRequest', packet)).kind).toBe('decryptDataResponse');
  });

  test('every request is answered: no key, damage, nonsense', async () => {
    const { bob } = await people();
    const iv = new Uint8Array(12);
    const text = async (data: object, kind: 'encryptDataRequest' | 'decryptDataRequest' = 'decryptDataRequest') => {
      const answer = await ask(bob, kind, data);
      return answer.kind === 'error' ? answer.data.error.message.split(':')[0] : answer.kind;
    };
    expect(await text({ payload: new Uint8Array(40), iv, keyIndex: 7 })).toBe('MissingKey');
    expect(await text({ payload: new Uint8Array(40), iv, keyIndex: 2 })).toBe('InvalidKey');
    expect(await text({ payload: new Uint8Array(4), iv, keyIndex: 2 })).toBe('InternalError');
    expect(await text({ payload: new Uint8Array(40), iv: new Uint8Array(3), keyIndex: 2 })).toBe('InternalError');
    expect(await text({ payload: 'text', iv })).toBe('InternalError');
    expect(await text({ payload: new Uint8Array(4), participantIdentity: 'nobody' }, 'encryptDataRequest')).toBe(
      'MissingKey',
    );
  });
});
