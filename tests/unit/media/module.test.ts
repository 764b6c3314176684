/** What crosses the module's door in halves comes together again. */
import { expect, test } from 'vitest';
import { Codec, Format, FrameType } from '../../../web/media/engine_types';
import { FrameEngine } from '../../../web/media/worker/frame_engine';
import { loadModule } from '../livekit/stand';

const kAesGcm128 = 4;
const kid = 0x89_abcd_ef01_2345n;
const material = () => new Uint8Array(16).fill(7);

// Seen to fail with the two halves exchanged, and with the upper one left out.
test('a key id of SFrame above 32 bits arrives whole, at both ends', async () => {
  const module = await loadModule();
  const engine = new FrameEngine(module, undefined);
  const sealer = new module.Sealer(Format.sframe, 16);
  expect(sealer.setSFrameKey(kAesGcm128, kid, material())).toBe(0);
  const frame = Uint8Array.from({ length: 40 }, (_, i) => i).buffer;
  const sealed = engine.seal(sealer.handle, frame, Codec.opus, FrameType.audio, 1, 1);
  if (typeof sealed === 'number') throw new Error(`not sealed: ${sealed}`);
  // RFC 9605, 4.3: a long key id stands behind the first byte, without leading zeros.
  expect(Buffer.from(sealed).toString('hex')).toContain('89abcdef012345');

  const openWith = (id: bigint) => {
    const opener = new module.Opener(Format.sframe, 16, 0);
    expect(opener.setSFrameKey(kAesGcm128, id, material())).toBe(0);
    return engine.open(opener.handle, sealed, Codec.opus, FrameType.audio, 0);
  };
  expect(openWith(kid)).toEqual(frame);
  expect(openWith(kid & 0xffff_ffffn)).toBeTypeOf('number');
});
