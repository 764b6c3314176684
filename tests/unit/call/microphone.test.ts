/** The microphone with noise suppression around it: what is sent, what is muted, who is told. The engine itself: tests/denoise. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeEngine, FakeStream, FakeTrack } from './fakes';

const engines: FakeDenoiser[] = [];

class FakeDenoiser extends FakeEngine {
  state = 'running';
  running = 'hq';
  muted = false;
  out = new FakeTrack(`out ${engines.length}`, 'audio');
  profile: string;
  strength: unknown;
  constructor(
    public source: FakeTrack,
    options: { profile: string; strength: unknown },
  ) {
    super();
    this.profile = options.profile;
    this.strength = options.strength;
    engines.push(this);
  }
  get track(): FakeTrack {
    return this.out;
  }
  get stream(): FakeStream {
    return new FakeStream([this.out]);
  }
  setMuted(muted: boolean): void {
    this.muted = muted;
    this.out.enabled = !muted;
  }
  setProfile(profile: string): void {
    this.profile = profile;
  }
  setStrength(strength: unknown): void {
    this.strength = strength;
  }
  setSource(source: FakeTrack): void {
    this.source = source;
  }
}

vi.mock('../../../web/effects', () => ({
  startDenoiser: (track: FakeTrack, options: { profile: string; strength: unknown }) =>
    new FakeDenoiser(track, options),
}));
const { LocalMedia, noiseFromAddress } = await import('../../../web/call/local_media');

let opened: FakeTrack[];
let wishes: MediaStreamConstraints[];
beforeEach(() => {
  engines.length = 0;
  opened = [];
  wishes = [];
  vi.stubGlobal('MediaStream', FakeStream);
  vi.stubGlobal('navigator', {
    mediaDevices: {
      addEventListener: () => {},
      removeEventListener: () => {},
      enumerateDevices: async () => [],
      getUserMedia: async (wish: MediaStreamConstraints) => {
        wishes.push(wish);
        const track = new FakeTrack(`microphone ${opened.length}`, 'audio');
        const audio = wish.audio as MediaTrackConstraints;
        track.settings = { deviceId: 'one', noiseSuppression: audio.noiseSuppression === true };
        opened.push(track);
        return new FakeStream([track]);
      },
    },
  });
});
afterEach(() => vi.unstubAllGlobals());

const loud = { level: -20, voice: 0.95, share: 0.02 };

describe('a microphone with noise suppression', () => {
  it('what is sent is what the engine makes of it; the browser is asked to keep its hands off', async () => {
    const media = new LocalMedia();
    await media.openMicrophone();
    expect(media.microphone).toBe(engines[0]?.out);
    expect(media.rawMicrophone).toBe(opened[0]);
    expect(engines[0]).toMatchObject({ profile: 'hq', source: opened[0] });
    expect(wishes[0]?.audio).toMatchObject({
      echoCancellation: true,
      noiseSuppression: false,
      voiceIsolation: false,
      autoGainControl: true,
    });
  });

  it('muted: the sent track is silent, the engine goes on listening', async () => {
    const media = new LocalMedia();
    await media.openMicrophone();
    media.setMuted(true);
    expect(engines[0]?.out.enabled).toBe(false);
    expect(opened[0]?.enabled).toBe(true);
    media.setMuted(false);
    expect(engines[0]?.out.enabled).toBe(true);
  });

  it('muted before it is opened, too', async () => {
    const media = new LocalMedia();
    media.setMuted(true);
    await media.openMicrophone();
    expect(engines[0]?.muted).toBe(true);
  });

  it('another device: the same sent track', async () => {
    const media = new LocalMedia();
    await media.openMicrophone();
    const sent = media.microphone;
    await media.openMicrophone('two');
    expect(media.microphone).toBe(sent);
    expect(engines).toHaveLength(1);
    expect(engines[0]?.source).toBe(opened[1]);
    expect(opened[0]?.readyState).toBe('ended');
  });

  it('closed: engine and device are gone', async () => {
    const media = new LocalMedia();
    await media.openMicrophone();
    media.closeMicrophone();
    expect(media.microphone).toBeUndefined();
    expect(engines[0]?.closed).toBe(true);
    expect(opened[0]?.readyState).toBe('ended');
  });

  it('where the audio does not run the microphone itself is sent, and everybody who sends is told', async () => {
    const media = new LocalMedia();
    await media.openMicrophone();
    let changes = 0;
    const notices: string[] = [];
    media.on('change', () => changes++);
    media.on('noise', (notice) => notices.push(notice));
    const [engine] = engines;
    if (!engine) throw new Error('none');
    engine.out = opened[0] as FakeTrack;
    engine.state = 'raw';
    engine.tell('failed', 'silent');
    engine.tell('change', undefined);
    expect(media.microphone).toBe(opened[0]);
    expect(changes).toBeGreaterThan(0);
    expect(notices).toEqual(['failed']);
  });
});

describe('modes', () => {
  it('of the address', () => {
    expect(noiseFromAddress('?noise=browser')).toBe('browser');
    expect(noiseFromAddress('?a=1&noise=original')).toBe('original');
    expect(noiseFromAddress('?noise=%3Cscript%3E')).toBe('suppress');
    expect(noiseFromAddress('')).toBe('suppress');
  });

  it('the browser’s own: no engine, muting is on the microphone', async () => {
    const media = new LocalMedia({ noise: 'browser' });
    await media.openMicrophone();
    expect(engines).toHaveLength(0);
    expect(media.microphone).toBe(opened[0]);
    expect(wishes[0]?.audio).toMatchObject({ noiseSuppression: true });
    media.setMuted(true);
    expect(opened[0]?.enabled).toBe(false);
  });

  it('switched while it runs: constraints and engine follow', async () => {
    const media = new LocalMedia({ noise: 'browser' });
    await media.openMicrophone();
    await media.setNoise('suppress');
    expect(media.microphone).toBe(engines[0]?.out);
    expect(opened[0]?.settings.noiseSuppression).toBe(false);
    await media.setNoise('original');
    expect(engines[0]?.profile).toBe('off');
    expect(opened[0]?.applied.at(-1)).toMatchObject({ autoGainControl: false, echoCancellation: true });
    await media.setNoise('browser');
    expect(engines[0]?.closed).toBe(true);
    expect(media.microphone).toBe(opened[0]);
    expect(opened[0]?.settings.noiseSuppression).toBe(true);
    expect(opened).toHaveLength(1);
  });

  it('a browser that does not let go: the microphone is opened anew', async () => {
    const media = new LocalMedia({ noise: 'browser' });
    await media.openMicrophone();
    (opened[0] as FakeTrack).stubborn = true;
    expect(await media.setNoise('suppress')).toBeUndefined();
    expect(opened).toHaveLength(2);
    expect(wishes[1]?.audio).toMatchObject({ noiseSuppression: false });
    expect(engines[0]?.source).toBe(opened[1]);
  });

  // Whoever sends changes the track a moment later: until then what is sent is still the microphone itself.
  it('switched while muted: not for a moment is what was sent until now audible', async () => {
    const media = new LocalMedia({ noise: 'browser' });
    await media.openMicrophone();
    media.setMuted(true);
    const [raw] = opened;
    const states: boolean[] = [];
    media.on('change', () => states.push(raw?.enabled === true));
    await media.setNoise('suppress');
    expect(raw?.enabled).toBe(false);
    expect(engines[0]?.muted).toBe(true);
    media.setMuted(false);
    expect(raw?.enabled).toBe(true);
    media.setMuted(true);
    states.length = 0;
    await media.setNoise('browser');
    expect(raw?.enabled).toBe(false);
    expect(states).not.toContain(true);
  });

  it('strength is remembered for the next microphone', async () => {
    const media = new LocalMedia();
    media.setNoiseStrength(12);
    await media.openMicrophone();
    expect(engines[0]?.strength).toBe(12);
    media.setNoiseStrength('full');
    expect(engines[0]?.strength).toBe('full');
  });
});

describe('who talks while muted', () => {
  async function muted() {
    const media = new LocalMedia();
    await media.openMicrophone();
    let reminders = 0;
    media.on('talkingMuted', () => reminders++);
    const report = (times: number, what = loud) => {
      for (let i = 0; i < times; ++i) engines[0]?.tell('report', what);
    };
    return { media, report, reminders: () => reminders };
  }

  it('is told, once', async () => {
    const { media, report, reminders } = await muted();
    report(10);
    expect(reminders()).toBe(0);
    media.setMuted(true);
    report(3);
    expect(reminders()).toBe(0);
    report(20);
    expect(reminders()).toBe(1);
  });

  it('a word from the next room, a cough, a keyboard are no reason', async () => {
    const { media, report, reminders } = await muted();
    media.setMuted(true);
    report(20, { ...loud, level: -60 });
    report(20, { ...loud, voice: 0.3 });
    for (let i = 0; i < 10; ++i) {
      report(3);
      report(1, { ...loud, voice: 0.1 });
    }
    expect(reminders()).toBe(0);
  });

  it('level and voice are those of the engine', async () => {
    const { media, report } = await muted();
    expect(media.loudness).toBeUndefined();
    report(1);
    expect(media.loudness).toBeCloseTo(0.8, 2);
    expect(media.speaking).toBe(true);
    report(1, { level: -90, voice: 0, share: 0 });
    expect(media.loudness).toBe(0);
    expect(media.speaking).toBe(false);
  });
});

describe('a machine that is too slow', () => {
  it.each([
    [{ from: 'hq', to: 'eco', reason: 'slow' }, 'reduced'],
    [{ from: 'eco', to: 'off', reason: 'late' }, 'paused'],
    [{ from: 'off', to: 'eco', reason: 'recovered' }, 'reduced'],
    [{ from: 'eco', to: 'hq', reason: 'recovered' }, 'restored'],
  ])('%o is said as %s', async (step, notice) => {
    const media = new LocalMedia();
    await media.openMicrophone();
    const notices: string[] = [];
    media.on('noise', (each) => notices.push(each));
    engines[0]?.tell('step', step);
    expect(notices).toEqual([notice]);
  });
});
