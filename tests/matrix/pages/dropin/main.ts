/**
 * The unmodified livekit-client with either worker, driven by tests and by the benchmark. Shows every video, so that it is
 * decoded, and plays every sound.
 */
import { BaseKeyProvider, Room, RoomEvent, Track, type VideoCodec } from 'livekit-client';
import type { SecurityWarning } from '../../../../web/livekit';
import { createLiveKitWorker, LiveKitCipher } from '../../../../web/livekit';
import type { StatsSnapshot } from '../../../../web/media/types';
import { encode } from './encode';

class Keys extends BaseKeyProvider {
  constructor() {
    super({ ratchetWindowSize: 10, keyringSize: 256 });
  }
  async put(identity: string, index: number, raw: number[]): Promise<void> {
    const bytes = Uint8Array.from(raw);
    const key = await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveBits', 'deriveKey']);
    this.onSetEncryptionKey(key, identity, index);
  }
}

interface PublishWish {
  codec?: VideoCodec;
  audio?: boolean;
  video?: boolean;
}

export interface JoinOptions {
  url: string;
  token: string;
  /**
   * 'cipher': ours, watched by LiveKitCipher; 'worker': ours alone; 'published': livekit-client's; 'streams' and 'copies':
   * two that open nothing (streams.entry.ts).
   */
  worker: 'cipher' | 'worker' | 'published' | 'streams' | 'copies';
  /** identity, index, bytes */
  keys: [string, number, number[]][];
  publish?: PublishWish;
  /** Also data packets (livekit-client's option `encryption`). */
  data?: boolean;
  subscribe?: boolean;
}

export interface Heard {
  identity: string;
  kind: string;
  codec: string;
  bytes: number;
  /** Video: frames that arrived whole; sound: packets. */
  frames: number;
  /** Video. */
  framesDecoded: number;
  /** Audio: over silence that a receiver makes up itself. */
  audioEnergy: number;
  /** When this was counted, ms. */
  at: number;
}

const seen = {
  errors: [] as string[],
  warnings: [] as SecurityWarning[],
  data: [] as string[],
  encrypted: false,
  stats: undefined as StatsSnapshot | undefined,
};
const rooms: Room[] = [];
const keyProviders: Keys[] = [];

async function join(options: JoinOptions): Promise<void> {
  const keyProvider = new Keys();
  const assets = new URL('/assets/', location.href);
  let worker: Worker;
  if (options.worker === 'cipher') {
    const cipher = new LiveKitCipher({ assets });
    cipher.on('warning', (warning) => seen.warnings.push(warning));
    cipher.on('stats', (stats) => {
      seen.stats = stats;
    });
    worker = cipher.worker;
  } else if (options.worker === 'worker') worker = createLiveKitWorker({ assets });
  else {
    const script = new URL(`./${options.worker === 'copies' ? 'streams' : options.worker}.entry.js`, location.href);
    worker = new Worker(script, { type: 'module', name: options.worker });
  }
  const encryption = { keyProvider, worker };
  const room = new Room({
    ...(options.data ? { encryption } : { e2ee: encryption }),
    adaptiveStream: false,
    dynacast: false,
    publishDefaults: { backupCodec: false, red: false, simulcast: false },
  });
  rooms.push(room);
  keyProviders.push(keyProvider);
  room.on(RoomEvent.EncryptionError, (error) => seen.errors.push(error.message));
  room.on(RoomEvent.ParticipantEncryptionStatusChanged, (on, participant) => {
    if (participant === room.localParticipant) seen.encrypted = on;
  });
  room.on(RoomEvent.DataReceived, (payload, participant) => {
    seen.data.push(`${participant?.identity}: ${new TextDecoder().decode(payload)}`);
  });
  room.on(RoomEvent.TrackSubscribed, (track) => {
    const element = track.attach();
    element.style.width = '96px';
    document.body.append(element);
  });
  room.on(RoomEvent.TrackUnsubscribed, (track) => {
    for (const element of track.detach()) element.remove();
  });
  for (const [identity, index, raw] of options.keys) await keyProvider.put(identity, index, raw);
  await room.setE2EEEnabled(true);
  await room.connect(options.url, options.token, { autoSubscribe: options.subscribe ?? true });
  if (options.publish) await publish(room, options.publish);
}

const wishes = new Map<Room, PublishWish>();

async function publish(room: Room, wish: PublishWish): Promise<void> {
  wishes.set(room, wish);
  const { audio = true, video = true, codec = 'vp8' } = wish;
  if (audio)
    await room.localParticipant.publishTrack(await capture('audio'), { source: Track.Source.Microphone, dtx: false });
  if (video)
    await room.localParticipant.publishTrack(await capture('video'), {
      source: Track.Source.Camera,
      videoCodec: codec,
      videoEncoding: { maxBitrate: 300_000, maxFramerate: 15 },
    });
}

const captured = new Map<string, Promise<MediaStreamTrack>>();

/** One microphone and one camera, however many rooms there are. */
async function capture(kind: 'audio' | 'video'): Promise<MediaStreamTrack> {
  const constraints: MediaStreamConstraints =
    kind === 'audio'
      ? { audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } }
      : { video: { width: 320, height: 240, frameRate: 15 } };
  const first =
    captured.get(kind) ??
    navigator.mediaDevices.getUserMedia(constraints).then((stream) => stream.getTracks()[0] as MediaStreamTrack);
  captured.set(kind, first);
  return (await first).clone();
}

async function received(): Promise<Heard[]> {
  const found: Heard[] = [];
  const reads: Promise<void>[] = [];
  for (const room of rooms) {
    for (const { identity, trackPublications } of room.remoteParticipants.values()) {
      for (const { track } of trackPublications.values()) {
        const report = track?.receiver?.getStats() as Promise<Map<string, Record<string, unknown>>> | undefined;
        if (report) reads.push(report.then((entries) => void found.push(...heard(identity, entries))));
      }
    }
  }
  await Promise.all(reads);
  return found;
}

function* heard(identity: string, report: Map<string, Record<string, unknown>>): Generator<Heard> {
  for (const each of report.values()) {
    if (each.type !== 'inbound-rtp') continue;
    const number = (name: string) => Number(each[name] ?? 0);
    yield {
      identity,
      kind: String(each.kind),
      codec: String(report.get(String(each.codecId))?.mimeType ?? ''),
      bytes: number('bytesReceived'),
      frames: number(each.kind === 'video' ? 'framesReceived' : 'packetsReceived'),
      framesDecoded: number('framesDecoded'),
      audioEnergy: number('totalAudioEnergy'),
      at: number('timestamp'),
    };
  }
}

const driver = {
  seen,
  join,
  received,
  encode,
  codecs: () => RTCRtpSender.getCapabilities('video')?.codecs.map(({ mimeType }) => mimeType.toLowerCase()) ?? [],
  say: (text: string) =>
    Promise.all(
      rooms.map((room) => room.localParticipant.publishData(new TextEncoder().encode(text), { reliable: true })),
    ),
  /** Sound and picture of our own. */
  mute: (on: boolean) =>
    Promise.all(
      rooms.flatMap((room) =>
        [...room.localParticipant.trackPublications.values()].map(({ track }) =>
          on ? track?.mute() : track?.unmute(),
        ),
      ),
    ),
  unpublish: () =>
    Promise.all(
      rooms.flatMap((room) =>
        [...room.localParticipant.trackPublications.values()].map(
          ({ track }) => track && room.localParticipant.unpublishTrack(track, false),
        ),
      ),
    ),
  /** What was unpublished, once more. */
  publishAgain: () => Promise.all(rooms.map((room) => publish(room, wishes.get(room) ?? {}))),
  putKey: (identity: string, index: number, raw: number[]) =>
    Promise.all(keyProviders.map((each) => each.put(identity, index, raw))),
  leave: () => Promise.all(rooms.splice(0).map((room) => room.disconnect())),
};
declare global {
  /** What tests and the benchmark call. */
  var dropin: typeof driver;
}
globalThis.dropin = driver;
