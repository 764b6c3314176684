/**
 * A made-up camera that shows a room with a pattern and nobody in it, the background's track sent over a real connection, and a
 * receiver that looks at every frame for the pattern.
 */
import { LocalVideoTrack } from 'livekit-client';
import {
  type Background,
  type BackgroundFailure,
  type BackgroundType,
  JitsiBackground,
  LiveKitBackground,
  startBackground,
} from '../../../../web/effects';

const kSquare = 16;
/** Mean difference of neighbouring squares, 0..255: 160 in the room itself, less than a tenth of it when it is blurred. */
const kSeen = 30;

export interface Watched {
  frames: number;
  /** Frames in which the pattern was found. */
  leaks: number;
  /** The most that was found in one. */
  most: number;
  size: [width: number, height: number];
}
export interface Told {
  state: string;
  failed: BackgroundFailure[];
  efforts: string[];
  /** By the worker, since the beginning. */
  frames: number;
  covered: number;
}

/** A camera: squares, black and white, moved a little every frame. */
class Room {
  readonly canvas = document.createElement('canvas');
  readonly track: MediaStreamTrack;
  readonly #context = this.canvas.getContext('2d') as CanvasRenderingContext2D;
  readonly #timer: ReturnType<typeof setInterval>;
  #frame = 0;
  constructor(width: number, height: number) {
    this.resize(width, height);
    this.track = this.canvas.captureStream(30).getVideoTracks()[0] as MediaStreamTrack;
    this.#timer = setInterval(() => this.#draw(), 33);
  }
  resize(width: number, height: number): void {
    this.canvas.width = width;
    this.canvas.height = height;
    this.#draw();
  }
  stop(): void {
    clearInterval(this.#timer);
    this.track.stop();
  }
  #draw(): void {
    const { width, height } = this.canvas;
    ++this.#frame;
    for (let y = 0; y < height; y += kSquare)
      for (let x = 0; x < width; x += kSquare) {
        const bright = ((x + y) / kSquare) % 2 === 0;
        this.#context.fillStyle = bright ? `rgb(${220 + (this.#frame % 8)} 220 220)` : 'rgb(60 60 60)';
        this.#context.fillRect(x, y, kSquare, kSquare);
      }
  }
}

/** Looks at every frame of a track that comes out of a connection. */
class Receiver {
  readonly #video = document.createElement('video');
  readonly #canvas = document.createElement('canvas');
  readonly #ends = [new RTCPeerConnection(), new RTCPeerConnection()] as const;
  frames = 0;
  leaks = 0;
  most = 0;
  size: [number, number] = [0, 0];
  sender!: RTCRtpSender;

  async watch(track: MediaStreamTrack): Promise<void> {
    const [here, there] = this.#ends;
    here.onicecandidate = ({ candidate }) => candidate && there.addIceCandidate(candidate);
    there.onicecandidate = ({ candidate }) => candidate && here.addIceCandidate(candidate);
    there.ontrack = ({ track: received }) => {
      this.#video.srcObject = new MediaStream([received]);
      this.#video.muted = true;
      void this.#video.play();
      this.#look();
    };
    document.body.append(this.#video);
    this.sender = here.addTrack(track);
    await here.setLocalDescription();
    await there.setRemoteDescription(here.localDescription as RTCSessionDescription);
    await there.setLocalDescription();
    await here.setRemoteDescription(there.localDescription as RTCSessionDescription);
  }
  #look(): void {
    this.#video.requestVideoFrameCallback(() => {
      const { videoWidth: width, videoHeight: height } = this.#video;
      if (width > 0) {
        this.#canvas.width = width;
        this.#canvas.height = height;
        const context = this.#canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
        context.drawImage(this.#video, 0, 0);
        const { data } = context.getImageData(0, 0, width, height);
        // The receiver may get another size than was sent: squares are then as much smaller.
        const square = (kSquare * width) / (room?.canvas.width ?? width);
        let [sum, count] = [0, 0];
        for (let y = square / 2; y < height; y += square)
          for (let x = square / 2; x + square < width; x += square) {
            const at = (column: number) => data[4 * (Math.floor(y) * width + Math.floor(column)) + 1] as number;
            sum += Math.abs(at(x) - at(x + square));
            ++count;
          }
        const found = sum / count;
        ++this.frames;
        this.size = [width, height];
        this.most = Math.max(this.most, found);
        if (found > kSeen) ++this.leaks;
      }
      this.#look();
    });
  }
}

let room: Room | undefined;
let background: Background | undefined;
let receiver: Receiver | undefined;
let processor: LiveKitBackground | undefined;
const told: Told = { state: '', failed: [], efforts: [], frames: 0, covered: 0 };

declare global {
  var stage: {
    open(type: BackgroundType, width?: number, height?: number): Promise<void>;
    /** The browser's own camera instead of the room. */
    device(): Promise<void>;
    /** livekit-client's own track with our processor; its camera is another one later. */
    liveKit(): Promise<void>;
    liveKitCamera(): Promise<void>;
    /** As lib-jitsi-meet does it: what startEffect gives is sent at once. */
    jitsi(): Promise<void>;
    type(type: BackgroundType): void;
    resize(width: number, height: number): void;
    camera(): void;
    image(): Promise<boolean>;
    /** From now on. */
    reset(): void;
    watched(): Watched;
    told(): Told;
    block(ms: number): void;
  };
}

async function begin(camera: MediaStreamTrack, type: BackgroundType): Promise<void> {
  background = startBackground(camera, { type, assets: '/assets/' });
  background.on('failed', (failure) => told.failed.push(failure));
  background.on('effort', ({ from, to }) => told.efforts.push(`${from}-${to}`));
  background.on('report', ({ frames, covered }) => {
    told.frames += frames;
    told.covered += covered;
  });
  receiver = new Receiver();
  const { track } = background;
  if (!track) throw new Error('no track');
  let sent = track;
  background.on('change', () => {
    const now = background?.track;
    if (!now || now === sent) return;
    sent = now;
    void receiver?.sender.replaceTrack(now);
  });
  await receiver.watch(track);
}

globalThis.stage = {
  open(type, width = 640, height = 360) {
    room = new Room(width, height);
    return begin(room.track, type);
  },
  async device() {
    const [camera] = (await navigator.mediaDevices.getUserMedia({ video: true })).getVideoTracks();
    await begin(camera as MediaStreamTrack, 'blur-strong');
  },
  async liveKit() {
    room = new Room(640, 360);
    const track = new LocalVideoTrack(room.track);
    processor = new LiveKitBackground({ assets: '/assets/' });
    await track.setProcessor(processor as never);
    receiver = new Receiver();
    // What it publishes.
    await receiver.watch(track.getProcessor()?.processedTrack as MediaStreamTrack);
  },
  async liveKitCamera() {
    const before = room;
    room = new Room(640, 360);
    await processor?.restart({ track: room.track });
    before?.stop();
  },
  async jitsi() {
    room = new Room(640, 360);
    const effect = new JitsiBackground({ assets: '/assets/' });
    if (
      !effect.isEnabled({ isVideoTrack: () => true }) ||
      effect.isEnabled({ isVideoTrack: () => true, videoType: 'desktop' })
    )
      throw new Error('for cameras alone');
    const [track] = effect.startEffect(new MediaStream([room.track])).getVideoTracks();
    background = effect.background;
    background?.on('failed', (failure) => told.failed.push(failure));
    receiver = new Receiver();
    await receiver.watch(track as MediaStreamTrack);
  },
  type: (type) => background?.setType(type),
  resize: (width, height) => room?.resize(width, height),
  camera() {
    const before = room;
    room = new Room(before?.canvas.width ?? 640, before?.canvas.height ?? 360);
    background?.setSource(room.track);
    before?.stop();
  },
  async image() {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [320, 180];
    const context = canvas.getContext('2d') as CanvasRenderingContext2D;
    context.fillStyle = 'rgb(0 90 200)';
    context.fillRect(0, 0, 320, 180);
    return (await background?.setImage(canvas)) ?? false;
  },
  reset() {
    if (receiver) Object.assign(receiver, { frames: 0, leaks: 0, most: 0 });
  },
  watched() {
    const { frames, leaks, most, size } = receiver as Receiver;
    return { frames, leaks, most, size };
  },
  told: () => ({ ...told, state: background?.state ?? '' }),
  block(ms) {
    const end = performance.now() + ms;
    while (performance.now() < end);
  },
};
