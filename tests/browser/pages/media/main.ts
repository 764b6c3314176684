/**
 * Two ends of a call in one page, each with its own MediaCipher and worker. Tests drive it through `mediaLoop`.
 * The picture is a moving pattern drawn here, the sound a tone of 1 kHz.
 */

import { payloadTypes } from '../../../../web/local/sdp';
import { MediaCipher, type MediaCipherOptions, MediaError, type StatsSnapshot } from '../../../../web/media';

export const kTone = 1000;

export interface LoopOptions {
  sender?: MediaCipherOptions;
  receiver?: MediaCipherOptions;
  width?: number;
  height?: number;
  /** Grainy pictures make large frames. */
  grain?: boolean;
  maxBitrate?: number;
}

export interface Flow {
  packetsSent: number;
  framesEncoded: number;
  packetsReceived: number;
  framesDecoded: number;
  keyFramesDecoded: number;
  audioPacketsSent: number;
  audioPacketsReceived: number;
}

export interface Failure {
  reason: string;
  at: number;
}

class MediaLoop {
  readonly alice: MediaCipher;
  readonly bob: MediaCipher;
  readonly a: RTCPeerConnection;
  readonly b: RTCPeerConnection;
  readonly heard = new MediaStream();
  readonly failures: Record<'alice' | 'bob', Failure | null> = { alice: null, bob: null };
  readonly snapshots: Record<'alice' | 'bob', number> = { alice: 0, bob: 0 };
  #ended = false;

  private constructor(readonly options: LoopOptions) {
    const assets = '/assets/';
    this.alice = new MediaCipher({ assets: new URL(assets, location.href), ...options.sender });
    this.bob = new MediaCipher({ assets: new URL(assets, location.href), ...options.receiver });
    for (const name of ['alice', 'bob'] as const) {
      this[name].on('failed', (error) => {
        this.failures[name] = { reason: error.reason, at: performance.now() };
      });
      this[name].on('stats', () => {
        this.snapshots[name]++;
      });
    }
    this.a = new RTCPeerConnection(this.alice.rtcConfiguration());
    this.b = new RTCPeerConnection(this.bob.rtcConfiguration());
    this.a.onicecandidate = ({ candidate }) => void (candidate && this.b.addIceCandidate(candidate));
    this.b.onicecandidate = ({ candidate }) => void (candidate && this.a.addIceCandidate(candidate));
  }

  /** Does not wait for the engines: transforms are attached while they still load. */
  static async start(options: LoopOptions = {}): Promise<MediaLoop> {
    const loop = new MediaLoop(options);
    await loop.#connect();
    return loop;
  }

  async #connect(): Promise<void> {
    const { a, b, alice, bob } = this;
    const senders: [RTCRtpSender, MediaStreamTrack][] = [];
    const tracks = { audio: await tone(), video: pattern(this.options) };
    for (const kind of ['audio', 'video'] as const) {
      const { sender } = a.addTransceiver(kind, { direction: 'sendonly' });
      alice.attachSender(sender, { participant: 'alice', track: kind, kind });
      senders.push([sender, tracks[kind]]);
    }
    const vp8 = RTCRtpReceiver.getCapabilities('video')?.codecs.filter(({ mimeType }) => mimeType === 'video/VP8');
    if (vp8) a.getTransceivers()[1]?.setCodecPreferences(vp8);
    await a.setLocalDescription(await a.createOffer());
    await b.setRemoteDescription(a.localDescription!);
    for (const { receiver } of b.getTransceivers()) {
      const kind = receiver.track.kind as 'audio' | 'video';
      bob.attachReceiver(receiver, { participant: 'alice', track: kind, kind });
      this.heard.addTrack(receiver.track);
    }
    await b.setLocalDescription(await b.createAnswer());
    await a.setRemoteDescription(b.localDescription!);
    for (const cipher of [alice, bob])
      cipher.setPayloadTypes(payloadTypes(a.localDescription?.sdp ?? ''), { participant: 'alice' });
    for (const [sender, track] of senders) await sender.replaceTrack(track);
    if (this.options.maxBitrate !== undefined) {
      for (const [sender] of senders) {
        const parameters = sender.getParameters();
        for (const encoding of parameters.encodings) encoding.maxBitrate = this.options.maxBitrate;
        await sender.setParameters(parameters);
      }
    }
    // Firefox decodes only what is shown.
    const video = document.createElement('video');
    video.srcObject = this.heard;
    video.muted = true;
    video.autoplay = true;
    document.body.append(video);
  }

  key(name: 'alice' | 'bob', keyIndex: number, fill: number): Promise<void> {
    return this[name].setKey({
      participant: 'alice',
      keyIndex,
      material: new Uint8Array(32).fill(fill),
      usage: name === 'alice' ? 'send' : 'receive',
    });
  }

  ratchet(): Promise<number> {
    return this.alice.ratchet('alice');
  }

  async flow(): Promise<Flow> {
    const flow: Flow = {
      packetsSent: 0,
      framesEncoded: 0,
      packetsReceived: 0,
      framesDecoded: 0,
      keyFramesDecoded: 0,
      audioPacketsSent: 0,
      audioPacketsReceived: 0,
    };
    for (const peer of [this.a, this.b]) {
      (await peer.getStats()).forEach((row: Record<string, unknown>) => {
        const number = (name: string) => (typeof row[name] === 'number' ? row[name] : 0);
        if (row.type === 'outbound-rtp' && row.kind === 'video') {
          flow.packetsSent += number('packetsSent');
          flow.framesEncoded += number('framesEncoded');
        } else if (row.type === 'outbound-rtp') flow.audioPacketsSent += number('packetsSent');
        else if (row.type === 'inbound-rtp' && row.kind === 'video') {
          flow.packetsReceived += number('packetsReceived');
          flow.framesDecoded += number('framesDecoded');
          flow.keyFramesDecoded += number('keyFramesDecoded');
        } else if (row.type === 'inbound-rtp') flow.audioPacketsReceived += number('packetsReceived');
      });
    }
    return flow;
  }

  /** Waits until a condition on the flow holds; throws with the last flow when it does not in time. */
  async until(condition: (flow: Flow) => boolean, limitMs = 60_000): Promise<Flow> {
    const start = performance.now();
    for (;;) {
      const flow = await this.flow();
      if (condition(flow)) return flow;
      if (performance.now() - start > limitMs) throw new Error(`not reached: ${JSON.stringify(flow)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async counters(): Promise<{ alice: StatsSnapshot; bob: StatsSnapshot }> {
    return { alice: await this.alice.snapshot(), bob: await this.bob.snapshot() };
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.a.close();
    this.b.close();
    for (const track of this.heard.getTracks()) track.stop();
    await Promise.all([this.alice.close(), this.bob.close()]);
  }
}

let audio: AudioContext | undefined;

async function tone(): Promise<MediaStreamTrack> {
  audio ??= new AudioContext();
  await Promise.race([audio.resume(), new Promise((resolve) => setTimeout(resolve, 3000))]);
  const oscillator = audio.createOscillator();
  oscillator.frequency.value = kTone;
  const destination = audio.createMediaStreamDestination();
  oscillator.connect(destination);
  oscillator.start();
  return destination.stream.getAudioTracks()[0]!;
}

function pattern({ width = 320, height = 240, grain = false }: LoopOptions): MediaStreamTrack {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(width, height);
  let count = 0;
  const draw = () => {
    count++;
    if (grain) {
      // Cheap noise: what an encoder cannot shrink.
      const words = new Uint32Array(image.data.buffer);
      let x = (count * 2654435761) >>> 0 || 1;
      for (let i = 0; i < words.length; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        words[i] = x | 0xff000000;
      }
      context.putImageData(image, 0, 0);
    } else {
      context.fillStyle = `hsl(${count % 360} 80% 50%)`;
      context.fillRect(0, 0, width, height);
      context.fillStyle = 'white';
      context.fillRect((count * 5) % width, height / 3, 40, 40);
    }
  };
  draw();
  setInterval(draw, 33);
  return canvas.captureStream(30).getVideoTracks()[0]!;
}

/** Why attaching this late was refused, or what happened instead. */
async function attachLate(): Promise<string> {
  const cipher = new MediaCipher({ assets: new URL('/assets/', location.href) });
  const peer = new RTCPeerConnection(cipher.rtcConfiguration());
  const sender = peer.addTrack(pattern({}));
  await peer.setLocalDescription(await peer.createOffer());
  try {
    cipher.attachSender(sender, { participant: 'alice', track: 'video', kind: 'video' });
    return 'attached';
  } catch (error) {
    return error instanceof MediaError ? error.reason : String(error);
  } finally {
    peer.close();
    await cipher.close();
  }
}

/** How a cipher with these options starts: its engine or the reason why not. */
async function startOnly(options: Omit<MediaCipherOptions, 'assets'> & { assets?: string }): Promise<unknown> {
  const assets = new URL(options.assets ?? '/assets/', location.href);
  const cipher = new MediaCipher({ ...options, assets });
  let failed = '';
  cipher.on('failed', (error) => {
    failed = error.reason;
  });
  try {
    return await cipher.ready;
  } catch (error) {
    return { refused: (error as MediaError).reason, failed };
  } finally {
    await cipher.close();
  }
}

declare global {
  var mediaLoop: { start: typeof MediaLoop.start; attachLate: typeof attachLate; startOnly: typeof startOnly };
  var loop: MediaLoop;
}
globalThis.mediaLoop = { start: MediaLoop.start, attachLate, startOnly };
