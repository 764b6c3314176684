/** The camera with a background: what is sent, and that it is never the camera itself. The engine itself: tests/background. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeEngine, FakeStream, FakeTrack } from './fakes';

const engines: FakeBackground[] = [];
let able = true;

class FakeBackground extends FakeEngine {
  out: FakeTrack | undefined = able ? new FakeTrack(`out ${engines.length}`, 'video') : undefined;
  /** What was open when another source came. */
  sources: { id: string; before: string }[] = [];
  images: unknown[] = [];
  constructor(
    public source: FakeTrack,
    readonly options: { type: string; image?: unknown },
  ) {
    super();
    this.type = options.type;
    engines.push(this);
  }
  type: string;
  get track(): FakeTrack | undefined {
    return this.out;
  }
  setType(type: string): void {
    this.type = type;
  }
  setSource(source: FakeTrack): void {
    this.sources.push({ id: source.id, before: this.source.readyState });
    this.source = source;
  }
  async setImage(image: unknown): Promise<boolean> {
    this.images.push(image);
    return true;
  }
}

vi.mock('../../../web/effects', () => ({
  startBackground: (track: FakeTrack, options: { type: string }) => new FakeBackground(track, options),
}));
const { LocalMedia, backgroundFromAddress } = await import('../../../web/call/local_media');

let opened: FakeTrack[];
beforeEach(() => {
  engines.length = 0;
  opened = [];
  able = true;
  vi.stubGlobal('MediaStream', FakeStream);
  vi.stubGlobal('navigator', {
    mediaDevices: {
      addEventListener: () => {},
      removeEventListener: () => {},
      enumerateDevices: async () => [],
      getUserMedia: async () => {
        const track = new FakeTrack(`camera ${opened.length}`, 'video');
        opened.push(track);
        return new FakeStream([track]);
      },
    },
  });
});
afterEach(() => vi.unstubAllGlobals());

/** Every track that was ever to be sent. */
function sent(media: InstanceType<typeof LocalMedia>): string[] {
  const seen: string[] = [];
  media.on('change', () => {
    const id = media.camera?.id ?? '-';
    if (seen.at(-1) !== id) seen.push(id);
  });
  return seen;
}

describe('a camera with a background', () => {
  it('as it is until a background is chosen, then never', async () => {
    const media = new LocalMedia();
    const ids = sent(media);
    await media.openCamera();
    expect(engines).toEqual([]);
    expect(await media.setBackground('blur-light')).toBeUndefined();
    await media.setBackground('blur-strong');
    expect(engines.map(({ type, source }) => [type, source.id])).toEqual([['blur-strong', 'camera 0']]);
    expect(ids).toEqual(['camera 0', 'out 0']);
    expect(media.chosen('videoinput')).toBe('camera 0');
  });

  it('chosen before the camera is on: the camera itself is never sent', async () => {
    const media = new LocalMedia({ background: 'blur-strong' });
    const ids = sent(media);
    await media.openCamera();
    media.closeCamera();
    expect(engines[0]?.closed).toBe(true);
    expect(opened[0]?.readyState).toBe('ended');
    await media.openCamera();
    expect(ids).toEqual(['out 0', '-', 'out 1']);
  });

  it('another camera: the engine turns to it before the one before ends, and what is sent stays', async () => {
    const media = new LocalMedia({ background: 'image' });
    await media.openBoth();
    const ids = sent(media);
    await media.openCamera();
    expect(engines).toHaveLength(1);
    expect(engines[0]?.sources).toEqual([{ id: 'camera 1', before: 'live' }]);
    expect(opened.map(({ readyState }) => readyState)).toEqual(['ended', 'live']);
    expect(ids).toEqual(['out 0']);
  });

  it('as it is again, by choice: the engine is let go, the camera goes on', async () => {
    const media = new LocalMedia({ background: 'blur-light' });
    await media.openCamera();
    await media.setBackground('none');
    expect(media.camera?.id).toBe('camera 0');
    expect([engines[0]?.closed, media.camera?.readyState]).toEqual([true, 'live']);
    expect(media.backgroundEngine).toBeUndefined();
  });

  it('an engine that starts again has another track', async () => {
    const media = new LocalMedia({ background: 'blur-light' });
    await media.openCamera();
    const stream = media.cameraStream;
    const engine = engines[0] as FakeBackground;
    engine.out = undefined;
    engine.tell('change', undefined);
    expect(media.camera).toBeUndefined();
    engine.out = new FakeTrack('again', 'video');
    engine.tell('change', undefined);
    expect(media.camera?.id).toBe('again');
    expect(media.cameraStream).not.toBe(stream);
  });

  it.each(['openCamera', 'openBoth', 'setBackground'] as const)(
    'a browser that cannot: off, and said (%s)',
    async (how) => {
      able = false;
      const media = new LocalMedia({ background: how === 'setBackground' ? 'none' : 'blur-strong' });
      const ids = sent(media);
      if (how === 'setBackground') {
        await media.openCamera();
        expect(await media.setBackground('image')).toBe('no-background');
      } else {
        const problem = await media[how]();
        expect(problem).toEqual(how === 'openBoth' ? { camera: 'no-background' } : 'no-background');
      }
      expect(ids).toEqual(how === 'setBackground' ? ['camera 0', '-'] : ['-']);
      expect(opened[0]?.readyState).toBe('ended');
    },
  );

  it('pictures: handed over now and to the next engine; the own one is kept for later', async () => {
    const media = new LocalMedia();
    const office = { id: 'office', picture: {} } as never;
    const own = { id: 'own', picture: {} } as never;
    await media.setBackground('image', own);
    await media.openCamera();
    expect(engines[0]?.options.image).toBe((own as { picture: unknown }).picture);
    await media.setBackground('image', office);
    expect(engines[0]?.images).toEqual([(office as { picture: unknown }).picture]);
    expect([media.backgroundImage, media.ownImage]).toEqual([office, own]);
  });

  it('what the engine tells is told on', async () => {
    const media = new LocalMedia({ background: 'blur-light' });
    await media.openCamera();
    const told: string[] = [];
    media.on('background', (what) => told.push(what));
    const engine = engines[0] as FakeBackground;
    engine.tell('effort', { from: 'full', to: 'half' });
    engine.tell('effort', { from: 'half', to: 'cover' });
    engine.tell('effort', { from: 'cover', to: 'full' });
    engine.tell('failed', 'frame');
    engine.tell('failed', 'model');
    expect(told).toEqual(['reduced', 'covered', 'restored', 'failed']);
    expect(media.covered).toBeUndefined();
    engine.tell('report', { covered: 3 });
    expect(media.covered).toBe(true);
    engine.tell('report', { covered: 0 });
    expect(media.covered).toBe(false);
  });
});

it.each([
  ['?background=blur-light', 'blur-light'],
  ['?a=1&background=blur-strong', 'blur-strong'],
  ['?background=image', 'none'],
  ['?background=', 'none'],
  ['', 'none'],
] as const)('the address %s wants %s', (search, wish) => {
  expect(backgroundFromAddress(search)).toBe(wish);
});
