/** Encoded frames for bots that have no encoder: a few seconds of a moving picture or of a sound. */
export async function encode(kind: 'audio' | 'video', count: number): Promise<{ data: number[]; key: boolean }[]> {
  const frames: { data: number[]; key: boolean }[] = [];
  const output = (chunk: EncodedVideoChunk | EncodedAudioChunk) => {
    const bytes = new Uint8Array(chunk.byteLength);
    chunk.copyTo(bytes);
    frames.push({ data: [...bytes], key: chunk.type === 'key' });
  };
  const error = (what: DOMException) => {
    throw what;
  };
  if (kind === 'audio') {
    const encoder = new AudioEncoder({ output, error });
    encoder.configure({ codec: 'opus', sampleRate: 48_000, numberOfChannels: 1, bitrate: 32_000 });
    const size = 960;
    for (let at = 0; at < count; at++) {
      // A voice is never still: a tone that glides.
      const data = Float32Array.from({ length: size }, (_, i) => {
        const t = (at * size + i) / 48_000;
        return 0.2 * Math.sin(2 * Math.PI * (300 + 100 * Math.sin(t * 3)) * t) + 0.02 * (Math.random() - 0.5);
      });
      const timestamp = at * 20_000;
      const sound = { format: 'f32', sampleRate: 48_000, numberOfFrames: size, numberOfChannels: 1, timestamp, data };
      encoder.encode(new AudioData(sound as AudioDataInit));
    }
    await encoder.flush();
    return frames;
  }
  const [width, height] = [320, 240];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
  const encoder = new VideoEncoder({ output, error });
  encoder.configure({ codec: 'vp8', width, height, framerate: 15, bitrate: 300_000, latencyMode: 'realtime' });
  for (let at = 0; at < count; at++) {
    for (let i = 0; i < 48; i++) {
      context.fillStyle = `hsl(${(i * 37 + at * 3) % 360} 60% ${30 + ((i * 7 + at) % 40)}%)`;
      context.fillRect(
        (i % 8) * 40 + Math.sin(at / 5 + i) * 12,
        Math.floor(i / 8) * 40 + Math.cos(at / 7 + i) * 12,
        40,
        40,
      );
    }
    const frame = new VideoFrame(canvas, { timestamp: Math.round((at * 1e6) / 15) });
    encoder.encode(frame, { keyFrame: at === 0 });
    frame.close();
    while (encoder.encodeQueueSize > 4) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await encoder.flush();
  return frames;
}
