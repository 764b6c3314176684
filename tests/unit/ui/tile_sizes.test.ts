/** The browser's observers are played by the test; what they would say comes by `resize` and `see`. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Lane } from '../../../web/call';
import { drawnSize, type TilePicture, TileSizes } from '../../../web/ui/tile_sizes';

type Watcher<Entry> = { call(entries: Entry[]): void; elements: Set<object> };
let resizers: Watcher<{ target: object; contentRect: { width: number; height: number } }>[];
let seers: Watcher<{ target: object; isIntersecting: boolean }>[];
let listeners: Map<string, () => void>;
let hidden: boolean;

function observer<Entry>(all: Watcher<Entry>[]) {
  return class {
    readonly #me: Watcher<Entry>;
    constructor(callback: (entries: Entry[]) => void) {
      this.#me = { call: callback, elements: new Set() };
      all.push(this.#me);
    }
    observe(element: object) {
      this.#me.elements.add(element);
    }
    unobserve(element: object) {
      this.#me.elements.delete(element);
    }
    disconnect() {
      this.#me.elements.clear();
    }
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  resizers = [];
  seers = [];
  listeners = new Map();
  hidden = false;
  vi.stubGlobal('ResizeObserver', observer(resizers));
  vi.stubGlobal('IntersectionObserver', observer(seers));
  vi.stubGlobal('devicePixelRatio', 1);
  vi.stubGlobal('document', {
    get hidden() {
      return hidden;
    },
    addEventListener: (kind: string, run: () => void) => listeners.set(kind, run),
    removeEventListener: (kind: string) => listeners.delete(kind),
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const resize = (element: object, width: number, height: number) => {
  for (const each of resizers)
    if (each.elements.has(element)) each.call([{ target: element, contentRect: { width, height } }]);
};
const see = (element: object, isIntersecting: boolean) => {
  for (const each of seers) if (each.elements.has(element)) each.call([{ target: element, isIntersecting }]);
};
const tile = (member: string, lane: Lane = 'video'): TilePicture => ({
  element: {} as Element,
  member,
  lane,
  whole: lane === 'screen',
});

function start() {
  const told: string[] = [];
  const sizes = new TileSizes((member, lane, width, height) => told.push(`${member} ${lane} ${width}x${height}`));
  return { sizes, told, wait: () => vi.advanceTimersByTime(200), take: () => told.splice(0) };
}

describe('how large a picture of 16:9 is drawn', () => {
  it.each([
    ['fills its tile', 320, 180, false, 1, [320, 192]],
    ['is cut at the sides in a high tile', 200, 360, false, 1, [640, 368]],
    ['is whole in a high tile', 200, 360, true, 1, [208, 128]],
    ['on a fine screen', 320, 180, false, 2, [640, 368]],
    ['on a very fine screen counts as twice', 320, 180, false, 4, [640, 368]],
    ['on a page that is zoomed out', 320, 180, false, 0.5, [320, 192]],
    ['nowhere', 0, 180, false, 1, [0, 0]],
    ['in no size at all', Number.NaN, 180, false, 1, [0, 0]],
  ] as const)('%s', (_name, width, height, whole, density, wanted) => {
    expect(drawnSize(width, height, whole, density)).toEqual(wanted);
  });
});

describe('what a call is told of its tiles', () => {
  it('says size once for many changes, and nothing when nothing changed', () => {
    const { sizes, wait, take } = start();
    const ada = tile('ada');
    sizes.follow([ada]);
    wait();
    expect(take()).toEqual([]);
    resize(ada.element, 160, 90);
    see(ada.element, true);
    resize(ada.element, 320, 180);
    resize(ada.element, 640, 360);
    wait();
    expect(take()).toEqual(['ada video 640x368']);
    resize(ada.element, 639, 359);
    sizes.follow([ada]);
    wait();
    expect(take()).toEqual([]);
  });

  it('waits until the browser said both size and whether it is seen', () => {
    const { sizes, wait, take } = start();
    const ada = tile('ada');
    sizes.follow([ada]);
    resize(ada.element, 640, 360);
    wait();
    expect(take()).toEqual([]);
    see(ada.element, true);
    wait();
    expect(take()).toEqual(['ada video 640x368']);
  });

  it('says that a tile was scrolled away, and that it is back', () => {
    const { sizes, wait, take } = start();
    const ada = tile('ada');
    sizes.follow([ada]);
    resize(ada.element, 320, 180);
    see(ada.element, false);
    wait();
    expect(take()).toEqual(['ada video 0x0']);
    see(ada.element, true);
    wait();
    expect(take()).toEqual(['ada video 320x192']);
  });

  it('says that a tile is gone, but not while another one takes its place', () => {
    const { sizes, wait, take } = start();
    const [before, after] = [tile('ada'), tile('ada')];
    sizes.follow([before]);
    resize(before.element, 320, 180);
    see(before.element, true);
    wait();
    take();
    sizes.follow([after]);
    wait();
    expect(take()).toEqual([]);
    resize(after.element, 640, 360);
    see(after.element, true);
    wait();
    expect(take()).toEqual(['ada video 640x368']);
    sizes.follow([]);
    wait();
    expect(take()).toEqual(['ada video 0x0']);
    expect([...resizers, ...seers].flatMap(({ elements }) => [...elements])).toEqual([]);
  });

  it('tells screen and camera of a person apart', () => {
    const { sizes, wait, take } = start();
    const tiles = [tile('ada'), tile('ada', 'screen')];
    sizes.follow(tiles);
    for (const { element } of tiles) {
      resize(element, 300, 300);
      see(element, true);
    }
    wait();
    expect(take()).toEqual(['ada video 544x304', 'ada screen 304x176']);
  });

  it('a hidden tab is nothing seen, a look into another tab is no reason', () => {
    const { sizes, wait, take } = start();
    const ada = tile('ada');
    sizes.follow([ada]);
    resize(ada.element, 320, 180);
    see(ada.element, true);
    wait();
    take();
    const turn = (now: boolean) => {
      hidden = now;
      listeners.get('visibilitychange')?.();
    };
    turn(true);
    vi.advanceTimersByTime(1000);
    turn(false);
    vi.advanceTimersByTime(10_000);
    expect(take()).toEqual([]);
    turn(true);
    vi.advanceTimersByTime(4000);
    expect(take()).toEqual(['ada video 0x0']);
    turn(false);
    expect(take()).toEqual(['ada video 320x192']);
  });

  it('says nothing any more once closed', () => {
    const { sizes, take } = start();
    const ada = tile('ada');
    sizes.follow([ada]);
    resize(ada.element, 320, 180);
    see(ada.element, true);
    sizes.close();
    vi.advanceTimersByTime(10_000);
    expect(take()).toEqual([]);
    expect(listeners.size).toBe(0);
  });
});
