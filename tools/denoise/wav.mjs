// WAV files (RIFF): PCM of 8, 16, 24 and 32 bits, floats of 32 and 64, any rate and number of channels.

export class WavError extends Error {}

const kPcm = 1;
const kFloat = 3;
const kExtensible = 0xfffe;

/** @returns {{ rate: number, channels: Float32Array[], format: { float: boolean, bits: number } }} */
export function readWav(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = (at) => (at + 4 <= bytes.length ? Buffer.from(bytes.subarray(at, at + 4)).toString('latin1') : '');
  if (tag(0) !== 'RIFF' || tag(8) !== 'WAVE') throw new WavError('this is no WAV file (RIFF); convert it to one first');
  let format;
  let data;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, true);
    const begin = at + 8;
    if (tag(at) === 'fmt ' && begin + 16 <= bytes.length) {
      let kind = view.getUint16(begin, true);
      if (kind === kExtensible && size >= 40) kind = view.getUint16(begin + 24, true);
      format = {
        kind,
        count: view.getUint16(begin + 2, true),
        rate: view.getUint32(begin + 4, true),
        bits: view.getUint16(begin + 14, true),
      };
    } else if (tag(at) === 'data') {
      // Recorders that were stopped leave the length open.
      data = bytes.subarray(begin, Math.min(bytes.length, begin + size));
      break;
    }
    at = begin + size + (size & 1);
  }
  if (!format || !data) throw new WavError('this WAV file has no sound in it (no fmt or data chunk)');
  const { kind, count, rate, bits } = format;
  const known = (kind === kPcm && [8, 16, 24, 32].includes(bits)) || (kind === kFloat && [32, 64].includes(bits));
  if (!known)
    throw new WavError(`this WAV file has format ${kind} with ${bits} bits; PCM (8 to 32) or float is needed`);
  if (count < 1 || count > 64) throw new WavError(`${count} channels`);
  if (rate < 8000 || rate > 192000) throw new WavError(`${rate} Hz; 8,000 to 192,000 are possible`);
  const width = bits / 8;
  const frames = Math.floor(data.length / (width * count));
  const samples = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const read = {
    8: (at) => (samples.getUint8(at) - 128) / 128,
    16: (at) => samples.getInt16(at, true) / 32768,
    24: (at) => (samples.getUint8(at) | (samples.getUint8(at + 1) << 8) | (samples.getInt8(at + 2) << 16)) / 8388608,
    32: (at) => (kind === kFloat ? samples.getFloat32(at, true) : samples.getInt32(at, true) / 2147483648),
    64: (at) => samples.getFloat64(at, true),
  }[bits];
  const channels = Array.from({ length: count }, (_, channel) =>
    Float32Array.from({ length: frames }, (_none, frame) => read((frame * count + channel) * width)),
  );
  return { rate, channels, format: { float: kind === kFloat, bits } };
}

/** In the format that it was read in; what is louder than full scale is cut, except in floats. */
export function writeWav({ rate, channels, format }) {
  const { float, bits } = format;
  const width = bits / 8;
  const frames = channels[0]?.length ?? 0;
  const size = frames * channels.length * width;
  const bytes = new Uint8Array(44 + size + (size & 1));
  const view = new DataView(bytes.buffer);
  const text = (at, value) => bytes.set(Buffer.from(value, 'latin1'), at);
  text(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, float ? kFloat : kPcm, true);
  view.setUint16(22, channels.length, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * channels.length * width, true);
  view.setUint16(32, channels.length * width, true);
  view.setUint16(34, bits, true);
  text(36, 'data');
  view.setUint32(40, size, true);
  let at = 44;
  const whole = (value, scale) => Math.max(-scale, Math.min(scale - 1, Math.round(value * scale)));
  for (let frame = 0; frame < frames; ++frame) {
    for (const channel of channels) {
      const value = channel[frame];
      if (float && bits === 32) view.setFloat32(at, value, true);
      else if (float) view.setFloat64(at, value, true);
      else if (bits === 8) view.setUint8(at, whole(value, 128) + 128);
      else if (bits === 16) view.setInt16(at, whole(value, 32768), true);
      else if (bits === 24) {
        const sample = whole(value, 8388608);
        view.setUint16(at, sample & 0xffff, true);
        view.setInt8(at + 2, sample >> 16);
      } else view.setInt32(at, whole(value, 2147483648), true);
      at += width;
    }
  }
  return bytes;
}
