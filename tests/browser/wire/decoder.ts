/**
 * What an eavesdropper would do with captured frames: hand them to a real decoder and look and listen. Runs WebCodecs in
 * a Chromium page (any https or localhost page).
 */
import type { Page } from '@playwright/test';
import { kPatternColumns, kPatternRows } from '../support/media_files';
import { type BrowserKind, kTones, showsPictureOf } from '../support/people';
import type { WireFrame } from './frames';

export interface Decoded {
  offered: number;
  /** Frames the decoder gave out, and how often it gave up on one. */
  decoded: number;
  errors: number;
  /** Decoded frames that show the sender's picture (video) or carry the sender's tone (audio). */
  recognised: number;
  /** Audio only: frames loud enough to tell; silence is neither recognised nor counted. */
  audible: number;
  /** Audio only: audible frames per tone of kTones, whoever it belongs to. */
  tones: number[];
}

const encode = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

/** VP8, from the first key frame on. */
export async function decodeVideo(
  page: Page,
  frames: readonly WireFrame[],
  sender: { kind: BrowserKind; index: number },
): Promise<Decoded> {
  const input = frames.map((frame) => ({ key: ((frame.bytes[0] ?? 1) & 1) === 0, data: encode(frame.bytes) }));
  const result = await page.evaluate(
    async ({ input, columns, rows }) => {
      const pictures: number[][] = [];
      const pending: Promise<void>[] = [];
      let errors = 0;
      let decoder: VideoDecoder | undefined;
      let settled: () => void = () => undefined;
      const read = async (frame: VideoFrame) => {
        const size = frame.allocationSize();
        const data = new Uint8Array(size);
        const planes = await frame.copyTo(data);
        const { width, height } = frame.visibleRect ?? { width: frame.codedWidth, height: frame.codedHeight };
        frame.close();
        const luma = planes[0];
        if (luma === undefined) return;
        const means: number[] = [];
        for (let row = 0; row < rows; row++) {
          for (let column = 0; column < columns; column++) {
            const left = Math.floor(((column + 0.25) * width) / columns);
            const right = Math.floor(((column + 0.75) * width) / columns);
            const top = Math.floor(((row + 0.25) * height) / rows);
            const bottom = Math.floor(((row + 0.75) * height) / rows);
            let sum = 0;
            for (let y = top; y < bottom; y++)
              for (let x = left; x < right; x++) sum += data[luma.offset + y * luma.stride + x] ?? 0;
            means.push(sum / Math.max(1, (right - left) * (bottom - top)));
          }
        }
        pictures.push(means);
      };
      const open = () => {
        const next = new VideoDecoder({
          output: (frame) => {
            pending.push(read(frame));
            settled();
          },
          error: () => {
            errors++;
            settled();
          },
        });
        next.configure({ codec: 'vp8' });
        return next;
      };
      for (const [i, { key, data }] of input.entries()) {
        if (decoder === undefined || decoder.state === 'closed') {
          if (!key) continue;
          decoder = open();
        }
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        try {
          // One at a time: an error ends the decoder and would take the queued frames with it. No flush, because a key
          // frame would have to follow. A frame that is not to be shown gives neither picture nor error: hence the limit.
          const done = new Promise<void>((resolve) => {
            settled = resolve;
          });
          decoder.decode(new EncodedVideoChunk({ type: key ? 'key' : 'delta', timestamp: i * 33_000, data: bytes }));
          await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 300))]);
        } catch {
          errors++;
        }
      }
      if (decoder !== undefined && decoder.state !== 'closed') decoder.close();
      await Promise.all(pending);
      return { pictures, errors };
    },
    { input, columns: kPatternColumns, rows: kPatternRows },
  );
  return {
    offered: frames.length,
    decoded: result.pictures.length,
    errors: result.errors,
    recognised: result.pictures.filter((means) => showsPictureOf(means, sender)).length,
    audible: 0,
    tones: [],
  };
}

/** Opus. A decoded frame carries the tone when most of its energy lies at the sender's frequency. */
export async function decodeAudio(
  page: Page,
  frames: readonly WireFrame[],
  sender: { index: number },
): Promise<Decoded> {
  const result = await page.evaluate(
    async ({ input, tones: all }) => {
      let errors = 0;
      let decoded = 0;
      let audible = 0;
      const tones = all.map(() => 0);
      let decoder: AudioDecoder | undefined;
      const read = (data: AudioData) => {
        decoded++;
        const count = data.numberOfFrames;
        const samples = new Float32Array(count);
        data.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
        const rate = data.sampleRate;
        data.close();
        let energy = 0;
        for (const sample of samples) energy += sample * sample;
        if (Math.sqrt(energy / count) < 0.01) return;
        audible++;
        for (const [which, tone] of all.entries()) {
          const c = 2 * Math.cos((2 * Math.PI * tone) / rate);
          let a = 0;
          let b = 0;
          for (const sample of samples) {
            const next = sample + c * a - b;
            b = a;
            a = next;
          }
          if ((2 * (a * a + b * b - c * a * b)) / (count * energy) > 0.85) tones[which] = (tones[which] ?? 0) + 1;
        }
      };
      const open = () => {
        const next = new AudioDecoder({
          output: read,
          error: () => {
            errors++;
          },
        });
        next.configure({ codec: 'opus', sampleRate: 48000, numberOfChannels: 2 });
        return next;
      };
      for (const [i, data] of input.entries()) {
        if (decoder === undefined || decoder.state === 'closed') decoder = open();
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        try {
          // No flush in between: it would take the memory from the decoder that most Opus frames build on.
          decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp: i * 20_000, data: bytes }));
          while (decoder.state === 'configured' && decoder.decodeQueueSize > 8)
            await new Promise((resolve) => setTimeout(resolve, 1));
        } catch {
          errors++;
        }
      }
      if (decoder?.state === 'configured') await decoder.flush().catch(() => undefined);
      if (decoder !== undefined && decoder.state !== 'closed') decoder.close();
      return { errors, decoded, audible, tones };
    },
    { input: frames.map(({ bytes }) => encode(bytes)), tones: [...kTones] },
  );
  return { offered: frames.length, ...result, recognised: result.tones[sender.index] ?? 0 };
}
