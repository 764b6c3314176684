// The coding of video that a person chose: kept for the next call always, for the next session only where they keep sessions.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LocalMedia } from '../../../web/call';
import { ClientAccount } from '../../../web/matrix/account';
import type { Session } from '../../../web/matrix/client';
import { sessionStore } from '../../../web/matrix/store';
import type { VideoCodec } from '../../../web/matrix/types';
import { SecretKeys } from '../../../web/matrix/verification';
import { FakeMedia, newClient, newRoom } from './fakes';

vi.mock('../../../web/livekit', async (original) => ({
  ...(await original<object>()),
  // No worker here.
  LiveKitCipher: (await import('./fakes')).FakeCipher,
}));

let saved: VideoCodec[];
beforeEach(() => {
  saved = [];
  vi.stubGlobal('RTCRtpSender', {
    getCapabilities: () => ({ codecs: ['video/VP8', 'video/H264'].map((mimeType) => ({ mimeType })) }),
  });
  vi.spyOn(sessionStore, 'saveCodec').mockImplementation(async (codec) => void saved.push(codec));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

async function account(remember: boolean, kept?: VideoCodec) {
  const load = vi.spyOn(sessionStore, 'loadCodec').mockResolvedValue(kept);
  const client = newClient();
  const room = await newRoom(client, ['@me:hs']);
  vi.spyOn(client, 'getRoom').mockReturnValue(room);
  const session = { userId: '@me:hs', serverName: 'hs', remember } as Session;
  const found = new ClientAccount(client, session, new URL('https://page/assets/'), 'https://page/', new SecretKeys());
  await load.mock.results[0]?.value;
  return { load, call: () => found.call(room.roomId, { media: new FakeMedia() as unknown as LocalMedia }) };
}

describe('the coding that a person chose', () => {
  it('is the next call’s, and nothing is kept or looked up where sessions are not', async () => {
    const { call, load } = await account(false, 'h264');
    const first = call();
    expect(first.codec).toBe('vp8');
    first.codec = 'h264';
    expect(call().codec).toBe('h264');
    expect(saved).toEqual([]);
    expect(load).not.toHaveBeenCalled();
  });

  it('is kept beside a session that is kept', async () => {
    const { call } = await account(true, 'h264');
    const first = call();
    expect(first.codec).toBe('h264');
    first.codec = 'vp8';
    expect(saved).toEqual(['vp8']);
    expect(call().codec).toBe('vp8');
  });
});
