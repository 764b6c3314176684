// All vectors of this folder against the WebAssembly module, in Node and in browsers alike: every recorded frame is
// opened, and what the module seals is opened by reference.mjs over WebCrypto (byte for byte is for the native test: the
// shipped module takes no counter). Also round trips of every format, codec and length.
import { Engine, errorNames } from '../../tools/engine.mjs';
import {
  concat,
  fromHex,
  openSframe,
  openTrailer,
  parseSframeHeader,
  ratchet,
  sealSframe,
  sealTrailer,
  sframeHeader,
  toHex,
  trailerKey,
} from './reference.mjs';

const utf8 = (s) => new TextEncoder().encode(s);
const opus = { codec: 'opus', type: 'audio' };
/** `type` as the recordings have it: null for audio. */
const videoOr = (codec, type) => (codec === 'opus' || !type ? opus : { codec, type });

function random(size) {
  return crypto.getRandomValues(new Uint8Array(size));
}

/** A frame that the layout of `codec` accepts, with `size` bytes behind what has to be there. */
export function exampleFrame(codec, size) {
  const start = {
    opus: [0x78],
    vp8: [0x30, 0x3b, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xf0, 0],
    vp9: [],
    h264: [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 0x88, 9, 9],
    h265: [0, 0, 0, 1, 0x40, 1, 2, 3, 0, 0, 0, 1, 0x42, 1, 2, 3, 0, 0, 0, 1, 0x26, 1, 9, 9],
  }[codec];
  // Zeros and small numbers among the rest: that is what start codes and escapes are made of.
  const rest = random(size).map((byte) => (byte & 0x40 ? byte & 3 : byte));
  return concat(start, rest);
}

/**
 * `module`: the instantiated EngineModule. `load(name)`: the parsed JSON file of this folder. Resolves with the names of what
 * failed; nothing is thrown.
 */
export async function checkAll(module, load) {
  const engine = new Engine(module);
  let passed = 0;
  const failed = [];
  const check = (name, actual, expected) => {
    const [a, b] = [actual, expected].map((x) => (x instanceof Uint8Array ? toHex(x) : String(x)));
    if (a === b) passed++;
    else failed.push(`${name}: ${a.slice(0, 80)} instead of ${b.slice(0, 80)}`);
  };
  const group = async (name, run) => {
    try {
      await run();
    } catch (error) {
      failed.push(`${name}: ${error}`);
    }
  };
  const shown = (result) => result.error ?? result.frame;

  for (const file of ['sframe-test-vectors.json', 'cisco-sframe-test-vectors.json']) {
    await group(`${file} headers`, async () => {
      const { header } = await load(file);
      check(`${file}: number of headers`, header.length, 289);
      const baseKey = random(16);
      for (const v of header) {
        // JSON numbers end at 2^53: the header's own bytes say what they mean, and the numbers have to agree as far as they go.
        const { kid, ctr } = parseSframeHeader(fromHex(v.encoded));
        check(`${v.encoded} kid`, Number(kid), v.kid);
        check(`${v.encoded} ctr`, Number(ctr), v.ctr);
        check(`${v.encoded} again`, sframeHeader(kid, ctr), fromHex(v.encoded));
        const plain = random(20);
        const sealed = await sealSframe({ suite: 4, kid, ctr, baseKey, frame: plain });
        const opener = engine.opener('sframe');
        check(`${v.encoded} unknown`, opener.open(sealed, opus).error, 'MissingKey');
        check(`${v.encoded} key`, opener.setSFrameKey(4, kid, baseKey), 'None');
        check(`${v.encoded} open`, shown(opener.open(sealed, opus)), plain);
        check(`${v.encoded} twice`, opener.open(sealed, opus).error, 'Replay');
        opener.delete();
        const sealer = engine.sealer('sframe');
        sealer.setSFrameKey(4, kid, baseKey);
        const ours = await openSframe({ suite: 4, baseKey, frame: sealer.seal(plain, opus).frame });
        check(`${v.encoded} seal`, ours.frame, plain);
        check(`${v.encoded} seal kid`, ours.kid, kid);
        sealer.delete();
      }
    });
    await group(`${file} frames`, async () => {
      const { sframe } = await load(file);
      check(`${file}: number of frames`, sframe.length, 5);
      for (const v of sframe) {
        const name = `${file} suite ${v.cipher_suite}`;
        const [baseKey, metadata] = [fromHex(v.base_key), fromHex(v.metadata)];
        const opener = engine.opener('sframe');
        check(`${name} key`, opener.setSFrameKey(v.cipher_suite, v.kid, baseKey), 'None');
        check(`${name} without metadata`, opener.open(fromHex(v.ct), opus).error, 'Authentication');
        check(`${name} metadata`, opener.setMetadata(metadata), 'None');
        check(`${name} open`, shown(opener.open(fromHex(v.ct), opus)), v.pt);
        opener.delete();
        const given = { suite: v.cipher_suite, kid: v.kid, ctr: v.ctr, baseKey, metadata, frame: fromHex(v.pt) };
        check(`${name} reference`, await sealSframe(given), v.ct);
        const sealer = engine.sealer('sframe');
        sealer.setSFrameKey(v.cipher_suite, v.kid, baseKey);
        sealer.setMetadata(metadata);
        const sealed = sealer.seal(fromHex(v.pt), opus);
        check(`${name} seal`, (await openSframe({ ...given, frame: sealed.frame })).frame, v.pt);
        sealer.delete();
      }
    });
  }

  await group('private suites', async () => {
    const { sframe_aes_256_ctr_hmac: vectors } = await load('sframe-test-vectors-aes256.json');
    check('private suites: number', vectors.length, 3);
    for (const v of vectors) {
      const [sealer, opener] = [engine.sealer('sframe'), engine.opener('sframe')];
      for (const side of [sealer, opener])
        check(
          `suite ${v.cipher_suite}`,
          side.setSFrameKey(v.cipher_suite, v.kid, fromHex(v.base_key)),
          'UnsupportedSuite',
        );
      check(`suite ${v.cipher_suite} open`, opener.open(fromHex(v.ct), opus).error, 'MissingKey');
      check(`suite ${v.cipher_suite} seal`, sealer.seal(fromHex(v.pt), opus).error, 'MissingKey');
      sealer.delete();
      opener.delete();
    }
  });

  /** One recorded frame of a trailer format: opened, refused twice, and ours opened by the reference with the same key. */
  const trailerFrame = async (name, v) => {
    const opener = engine.opener(v.format, 256, 0);
    check(`${name} key`, opener.setKey(v.keyIndex, v.material, v.how), 'None');
    const opened = opener.open(v.sealed, v.info);
    check(`${name} open`, shown(opened), v.opened);
    check(`${name} twice`, opener.open(v.sealed, v.info).error, 'Replay');
    opener.delete();
    const sealer = engine.sealer(v.format, 256);
    check(`${name} sealing key`, sealer.setKey(v.keyIndex, v.material, v.how), 'None');
    const sealed = sealer.seal(v.plain, v.info);
    sealer.delete();
    if (sealed.error) return check(`${name} seal`, sealed.error, 'a frame');
    const key = await trailerKey(v.format, v.material, v.how);
    const { format } = v;
    const { codec } = v.info;
    const back = await openTrailer({ format, codec, key, clear: sealed.clear, frame: sealed.frame });
    check(`${name} seal`, back.frame, v.opened);
    check(`${name} key index`, back.keyIndex, v.keyIndex);
    const again = { format, codec, key, keyIndex: back.keyIndex, iv: back.iv, clear: sealed.clear, frame: v.opened };
    check(`${name} seal, byte for byte`, await sealTrailer(again), sealed.frame);
  };

  await group('jitsi-jframe-vectors.json', async () => {
    const { kdf, frames } = await load('jitsi-jframe-vectors.json');
    check('JFrame: number of frames', frames.length, 18);
    for (const v of frames) {
      const { material, gen } = kdf.find(({ name }) => name === v.key);
      const keyIndex = v.setKeyIndex % 16;
      const info = { ...videoOr('vp8', v.type), ssrc: v.ssrc, timestamp: v.rtpTimestamp };
      const [plain, sealed] = [fromHex(v.plain), fromHex(v.encrypted)];
      const common = { format: 'jframe', keyIndex, info, plain, opened: plain, sealed };
      await trailerFrame(`JFrame ${v.name} at ${v.setKeyIndex}`, {
        ...common,
        material: fromHex(material),
        how: 'hkdf',
      });
      const raw = fromHex(gen[0].aes128gcm_key);
      await trailerFrame(`JFrame ${v.name} at ${v.setKeyIndex}, raw key`, { ...common, material: raw, how: 'raw' });
    }
    for (const { name, material, gen } of kdf) {
      check(`JFrame ${name}: generations`, gen.length, 10);
      const sealer = engine.sealer('jframe');
      sealer.setKey(0, fromHex(material), 'hkdf');
      let expected = fromHex(material);
      for (let i = 0; i < gen.length; i++) {
        check(`JFrame ${name} generation ${i} material`, expected, gen[i].material);
        check(`JFrame ${name} generation ${i} key`, await trailerKey('jframe', expected), gen[i].aes128gcm_key);
        const { frame, clear, generation } = sealer.seal(random(30), opus);
        const key = fromHex(gen[i].aes128gcm_key);
        const opened = await openTrailer({ format: 'jframe', codec: 'opus', key, clear, frame }).catch(() => undefined);
        check(`JFrame ${name} generation ${i} seals`, opened?.frame.length, 30);
        check(`JFrame ${name} generation ${i}`, generation, i);
        expected = await ratchet('jframe', expected);
        sealer.ratchet();
      }
      sealer.delete();
    }
  });

  await group('matrix-livekit-e2ee-vectors.json', async () => {
    const { hkdf, pbkdf2, livekit_unit_vector: unit, frames } = await load('matrix-livekit-e2ee-vectors.json');
    const material = fromHex(hkdf.ikm);
    check('LiveKit HKDF', await trailerKey('livekit', material), hkdf.aes128);
    check('LiveKit chain', await ratchet('livekit', material), hkdf.ratchet_chain_256);
    check('LiveKit PBKDF2', await trailerKey('livekit', utf8(pbkdf2.password), 'pbkdf2'), pbkdf2.aes128);
    check('LiveKit: number of frames', frames.length, 4);
    for (const v of frames) {
      const info = videoOr(v.name.split('-')[0], v.name.split('-')[1] ?? 'delta');
      const plain = fromHex(v.plain);
      await trailerFrame(`LiveKit ${v.name}`, {
        ...{ format: 'livekit', material, how: 'hkdf', keyIndex: v.key_index, plain, opened: plain },
        info: { ...info, ssrc: v.ssrc, timestamp: v.rtp_timestamp },
        sealed: fromHex(v.frame),
      });
    }
    // The same derivation one step on: the receiver follows a sender that has ratcheted.
    const opener = engine.opener('livekit', 16, 8);
    opener.setKey(0, material, 'hkdf');
    const key = fromHex(hkdf.after_ratchet1_aes128);
    const plain = random(40);
    const later = { format: 'livekit', codec: 'opus', key, keyIndex: 0, iv: random(12), clear: 1, frame: plain };
    const followed = opener.open(await sealTrailer(later), opus);
    check('LiveKit ratchet', shown(followed), plain);
    check('LiveKit ratchet generation', followed.generation, 1);
    opener.delete();
    await trailerFrame('LiveKit upstream unit test', {
      ...{ format: 'livekit', material: utf8('key1'), how: 'pbkdf2', keyIndex: 1 },
      ...{ plain: fromHex(unit.plaintext), opened: fromHex(unit.plaintext), sealed: fromHex(unit.frame) },
      info: { codec: 'vp8', type: 'key', ssrc: 0xffffffff, timestamp: 0 },
    });
  });

  await group('matrix-livekit-worker-oracle.json', async () => {
    const { key, frames } = await load('matrix-livekit-worker-oracle.json');
    check('worker recordings: number', frames.length, 8);
    for (const v of frames) {
      await trailerFrame(`worker ${v.name}`, {
        ...{ format: 'livekit', material: fromHex(key.ikm), how: 'hkdf', keyIndex: v.key_index },
        info: { ...videoOr(v.codec, v.type), ssrc: v.ssrc, timestamp: v.rtp_timestamp },
        ...{ plain: fromHex(v.plain), opened: fromHex(v.decrypted), sealed: fromHex(v.encrypted) },
      });
    }
  });

  await group('round trips', async () => {
    const sizes = [0, 1, 2, 15, 16, 17, 31, 32, 33, 100, 127, 128, 129, 300, 1200, 5000, 20000, 64000];
    for (const format of ['jframe', 'livekit', 'sframe']) {
      const [sealer, opener] = [engine.sealer(format), engine.opener(format)];
      const material = random(32);
      for (const side of [sealer, opener])
        check(
          `${format} key`,
          format === 'sframe' ? side.setSFrameKey(5, 77, material) : side.setKey(3, material, 'hkdf'),
          'None',
        );
      let timestamp = 0;
      for (const codec of ['opus', 'vp8', 'vp9', 'h264', 'h265']) {
        if (format === 'jframe' && codec.startsWith('h')) continue;
        for (const size of sizes) {
          for (const type of codec === 'opus' ? ['audio'] : ['key', 'delta']) {
            const name = `${format} ${codec} ${type} ${size}`;
            const plain = exampleFrame(codec, codec === 'vp9' ? size + 10 : size);
            const info = { codec, type, ssrc: 7, timestamp: timestamp++ };
            const { frame, error } = sealer.seal(plain, info);
            if (!frame) {
              check(name, error, 'a frame');
              continue;
            }
            check(name, shown(opener.open(frame, info)), plain);
            frame[Math.floor(Math.random() * frame.length)] ^= 1 << Math.floor(Math.random() * 8);
            const forged = opener.open(frame, info);
            check(`${name}, one bit`, forged.frame === undefined && errorNames.includes(forged.error), true);
          }
        }
      }
      sealer.delete();
      opener.delete();
    }
  });

  return { passed, failed };
}
