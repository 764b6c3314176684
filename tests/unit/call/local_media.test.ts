import { afterEach, describe, expect, it, vi } from 'vitest';
import { LocalMedia, problemOf } from '../../../web/call/local_media';

describe('why a device cannot be had', () => {
  it.each([
    [new DOMException('Permission denied', 'NotAllowedError'), 'denied'],
    [new DOMException('Permission denied by system', 'NotAllowedError'), 'denied-by-system'],
    [new DOMException('', 'SecurityError'), 'denied'],
    [new DOMException('', 'NotFoundError'), 'missing'],
    [{ name: 'OverconstrainedError', constraint: 'deviceId' }, 'missing'],
    [new DOMException('', 'NotReadableError'), 'busy'],
    [new DOMException('', 'AbortError'), 'busy'],
    [new TypeError('x'), 'busy'],
    [null, 'busy'],
  ] as const)('%s is %s', (error, problem) => {
    expect(problemOf(error)).toBe(problem);
  });
});

describe('a shared screen', () => {
  afterEach(() => vi.unstubAllGlobals());

  class FakeTrack extends EventTarget {
    readyState = 'live';
    constructor(readonly kind: 'audio' | 'video') {
      super();
    }
    stop(): void {
      this.readyState = 'ended';
    }
  }

  function share() {
    const tracks = [new FakeTrack('video'), new FakeTrack('audio')];
    const stream = {
      getTracks: () => tracks,
      getVideoTracks: () => tracks.slice(0, 1),
      getAudioTracks: () => tracks.slice(1),
    };
    const getDisplayMedia = vi.fn(async () => stream);
    vi.stubGlobal('navigator', {
      mediaDevices: { getDisplayMedia, addEventListener: () => {}, removeEventListener: () => {} },
    });
    const media = new LocalMedia();
    const lost: string[] = [];
    media.on('lost', (what) => lost.push(what));
    return { media, tracks, lost, getDisplayMedia };
  }

  it('comes with its sound where the browser offers it', async () => {
    const { media, tracks, getDisplayMedia } = share();
    expect(await media.shareScreen()).toBeUndefined();
    expect([media.screenVideo, media.screenAudio]).toEqual(tracks);
    expect(getDisplayMedia).toHaveBeenCalledWith(expect.objectContaining({ audio: expect.anything() }));
  });

  it('that the browser ends is over here as well, sound included, and that is said', async () => {
    const { media, tracks, lost } = share();
    await media.shareScreen();
    tracks[0]?.dispatchEvent(new Event('ended'));
    expect([media.screenVideo, media.screenAudio]).toEqual([undefined, undefined]);
    expect(tracks.map(({ readyState }) => readyState)).toEqual(['ended', 'ended']);
    expect(lost).toEqual(['screen']);
  });

  it('that this person ends is nothing lost', async () => {
    const { media, tracks, lost } = share();
    await media.shareScreen();
    media.stopSharing();
    tracks[0]?.dispatchEvent(new Event('ended'));
    expect(lost).toEqual([]);
  });
});
