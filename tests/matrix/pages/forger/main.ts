/** What the operator of a media server could do: come in under anybody's identity and publish media that is not sealed. */
import { createLocalTracks, Room } from 'livekit-client';

declare global {
  var forge: (url: string, token: string) => Promise<void>;
}

globalThis.forge = async (url, token) => {
  const room = new Room({ publishDefaults: { red: false, simulcast: false, videoCodec: 'vp8' } });
  await room.connect(url, token);
  for (const track of await createLocalTracks({ audio: true, video: true }))
    await room.localParticipant.publishTrack(track);
};
document.documentElement.dataset.ready = 'yes';
