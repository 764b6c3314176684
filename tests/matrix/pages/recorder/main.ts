/**
 * What the operator of a media server could do: subscribe to everybody and write down every encoded frame as it comes out of
 * SRTP. Holds no key and opens nothing.
 */
import { type RemoteTrack, Room, RoomEvent } from 'livekit-client';

export interface RecordedFrame {
  /** LiveKit identity of its sender. */
  identity: string;
  type: 'audio' | 'key' | 'delta';
  /** Hexadecimal. */
  bytes: string;
}

declare global {
  var recorder: {
    join(url: string, token: string): Promise<void>;
    /** Receives these identities until each of them sent `audio` and `video` frames, or for `ms`; returns all. */
    record(identities: string[], audio: number, video: number, ms: number): Promise<RecordedFrame[]>;
  };
}

type Ends = { readable: ReadableStream<RTCEncodedVideoFrame | RTCEncodedAudioFrame> };

let room: Room | undefined;
let frames: RecordedFrame[] = [];
const watched = new Set<RTCRtpReceiver>();

const hex = (data: ArrayBuffer) =>
  Array.from(new Uint8Array(data), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** A transceiver is used again for other tracks, its streams are there once: whose frames they are is asked each time. */
async function write(receiver: RTCRtpReceiver): Promise<void> {
  if (watched.has(receiver)) return;
  watched.add(receiver);
  const { readable } = (receiver as never as { createEncodedStreams(): Ends }).createEncodedStreams();
  const reader = readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const identity = owners.get(receiver);
    const type = 'type' in value ? (value.type as 'key' | 'delta') : 'audio';
    if (identity !== undefined && value.data.byteLength > 0) frames.push({ identity, type, bytes: hex(value.data) });
  }
}

const owners = new Map<RTCRtpReceiver, string>();

globalThis.recorder = {
  async join(url, token) {
    room = new Room({ adaptiveStream: false, dynacast: false });
    room.on(RoomEvent.TrackSubscribed, (track: RemoteTrack, _publication, { identity }) => {
      if (!track.receiver) return;
      owners.set(track.receiver, identity);
      void write(track.receiver);
    });
    room.on(RoomEvent.TrackUnsubscribed, (track: RemoteTrack) => {
      if (track.receiver) owners.delete(track.receiver);
    });
    const rtcConfig = { encodedInsertableStreams: true } as RTCConfiguration;
    await room.connect(url, token, { autoSubscribe: false, rtcConfig });
  },
  async record(identities, audio, video, ms) {
    frames = [];
    const wish = (on: boolean) => {
      for (const identity of identities)
        for (const publication of room?.remoteParticipants.get(identity)?.trackPublications.values() ?? [])
          if (publication.isDesired !== on) publication.setSubscribed(on);
    };
    const count = (identity: string, sound: boolean) =>
      frames.filter((frame) => frame.identity === identity && (frame.type === 'audio') === sound).length;
    const complete = () =>
      identities.every((identity) => count(identity, true) >= audio && count(identity, false) >= video);
    for (const end = performance.now() + ms; !complete() && performance.now() < end; ) {
      wish(true);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    wish(false);
    return frames;
  },
};
document.documentElement.dataset.ready = 'yes';
