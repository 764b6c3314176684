// The published E2EE worker of livekit-client, run in this process as an oracle. It expects a worker's globals and speaks
// through them, so there can be one per process; each call of encode or decode gets its own track.
// Node only: browsers have the real thing.

/** What the worker posted, newest last: { kind, data }. */
export const posted = [];

class EncodedAudioFrame {
  constructor(data, { ssrc = 0, timestamp = 0 } = {}) {
    this.data = Uint8Array.from(data).buffer;
    this.timestamp = timestamp;
    this.ssrc = ssrc;
  }
  getMetadata() {
    return { synchronizationSource: this.ssrc };
  }
}

class EncodedVideoFrame extends EncodedAudioFrame {
  constructor(data, info) {
    super(data, info);
    this.type = info.type;
    this.codec = info.codec;
  }
  getMetadata() {
    return { synchronizationSource: this.ssrc, mimeType: `video/${this.codec}` };
  }
}

let started;
/** Loads the worker and hands it its options (KeyProviderOptions of livekit-client). Once per process. */
export function startWorker(options) {
  started ??= (async () => {
    Object.assign(globalThis, {
      self: globalThis,
      onmessage: null,
      postMessage: (message) => posted.push(message),
      RTCEncodedAudioFrame: EncodedAudioFrame,
    });
    await import('livekit-client/e2ee-worker');
    await tell('init', { keyProviderOptions: { ratchetSalt: 'LKFrameEncryptionKey', ...options }, loglevel: 'silent' });
  })();
  return started;
}

/** Sends one message. The worker handles them in turn but does not say when it is done: the pause is for its queue. */
export async function tell(kind, data) {
  globalThis.onmessage({ data: { kind, data } });
  await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A participant with encryption on and a key. `how`: 'HKDF' with bytes or 'PBKDF2' with a pass phrase. */
export async function participant(participantIdentity, material, keyIndex, how = 'HKDF') {
  const bytes = typeof material === 'string' ? new TextEncoder().encode(material) : material;
  const key = await crypto.subtle.importKey('raw', bytes, how, false, ['deriveBits', 'deriveKey']);
  await tell('enable', { enabled: true, participantIdentity });
  await tell('setKey', { participantIdentity, key, keyIndex, updateCurrentKeyIndex: true });
  // Deriving runs on another thread (100,000 rounds for a pass phrase).
  await new Promise((resolve) => setTimeout(resolve, how === 'PBKDF2' ? 500 : 20));
}

let tracks = 0;
/**
 * Runs frames through the worker: [{ data, codec, type, ssrc, timestamp }] in, what it passed on out, in order
 * (frames that it dropped are missing; `index` says which frame came out).
 */
export async function throughWorker(kind, participantIdentity, frames) {
  const objects = frames.map((frame) =>
    frame.type === 'audio' ? new EncodedAudioFrame(frame.data, frame) : new EncodedVideoFrame(frame.data, frame),
  );
  const out = [];
  let finished;
  const done = new Promise((resolve) => (finished = resolve));
  const readableStream = new ReadableStream({
    start(controller) {
      for (const frame of objects) controller.enqueue(frame);
      controller.close();
    },
  });
  const writableStream = new WritableStream({
    write: (frame) => void out.push({ index: objects.indexOf(frame), data: new Uint8Array(frame.data) }),
    close: () => finished(),
    abort: () => finished(),
  });
  await tell(kind, { participantIdentity, readableStream, writableStream, trackId: `track-${++tracks}` });
  await done;
  return out;
}
