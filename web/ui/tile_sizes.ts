/**
 * Tells a call how large each picture is drawn and which are not seen at all, so that a media server sends no more than that
 * (CallRoom.show). Follows size, scrolling, the pixels of the screen and whether the tab is seen; many changes in a row are
 * told once.
 *
 * Threads: main. Ownership: observes the elements until `close` or until they are no longer followed. Errors: none.
 */
import type { Lane } from '../call';

export interface TilePicture {
  element: Element;
  member: string;
  lane: Lane;
  /** The whole picture is inside the tile; otherwise it fills the tile and is cut. */
  whole: boolean;
}

/** More than twice the CSS pixels is not seen on a moving picture, and costs the sender four times as much. */
const kMaxDensity = 2;
const kTellMs = 150;
/** A look into another tab is no reason to begin every picture anew. */
const kHiddenMs = 3000;
/** Sizes are rounded up to this, so that a pixel more or less is no news. */
const kStep = 16;

interface Followed extends TilePicture {
  width: number;
  height: number;
  visible: boolean | undefined;
  sized: boolean;
}

/** Device pixels of a 16:9 picture in a tile of these CSS pixels. */
export function drawnSize(width: number, height: number, whole: boolean, density: number): [number, number] {
  if (!(width > 0 && height > 0)) return [0, 0];
  const unit = whole ? Math.min(width / 16, height / 9) : Math.max(width / 16, height / 9);
  const pixels = unit * Math.min(Math.max(density, 1), kMaxDensity);
  const up = (value: number) => Math.ceil(value / kStep) * kStep;
  return [up(pixels * 16), up(pixels * 9)];
}

export class TileSizes {
  readonly #show: (member: string, lane: Lane, width: number, height: number) => void;
  readonly #followed = new Map<Element, Followed>();
  readonly #told = new Map<string, string>();
  readonly #sizes: ResizeObserver;
  readonly #seen: IntersectionObserver;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hiding: ReturnType<typeof setTimeout> | undefined;
  #hidden = false;

  constructor(show: (member: string, lane: Lane, width: number, height: number) => void) {
    this.#show = show;
    this.#sizes = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        const tile = this.#followed.get(target);
        if (tile) Object.assign(tile, { width: contentRect.width, height: contentRect.height, sized: true });
      }
      this.#tellSoon();
    });
    this.#seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const tile = this.#followed.get(target);
        if (tile) tile.visible = isIntersecting;
      }
      this.#tellSoon();
    });
    // A window that went to another screen, or was zoomed, has other pixels.
    globalThis.addEventListener?.('resize', this.#tellSoon);
    globalThis.document?.addEventListener('visibilitychange', this.#onVisibility);
  }

  /** These and no others. Call after every change of what is on the stage. */
  follow(pictures: readonly TilePicture[]): void {
    const now = new Set(pictures.map(({ element }) => element));
    for (const element of this.#followed.keys()) {
      if (now.has(element)) continue;
      this.#followed.delete(element);
      this.#sizes.unobserve(element);
      this.#seen.unobserve(element);
      this.#tellSoon();
    }
    for (const picture of pictures) {
      const known = this.#followed.get(picture.element);
      if (known) {
        if (known.member !== picture.member || known.lane !== picture.lane || known.whole !== picture.whole)
          this.#tellSoon();
        Object.assign(known, picture);
        continue;
      }
      this.#followed.set(picture.element, { ...picture, width: 0, height: 0, visible: undefined, sized: false });
      this.#sizes.observe(picture.element);
      this.#seen.observe(picture.element);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#hiding);
    globalThis.document?.removeEventListener('visibilitychange', this.#onVisibility);
    globalThis.removeEventListener?.('resize', this.#tellSoon);
    this.#sizes.disconnect();
    this.#seen.disconnect();
    this.#followed.clear();
    this.#told.clear();
  }

  readonly #tellSoon = (): void => {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tell();
    }, kTellMs);
  };

  readonly #onVisibility = (): void => {
    clearTimeout(this.#hiding);
    const turn = (hidden: boolean) => {
      this.#hidden = hidden;
      this.#tell();
    };
    if (globalThis.document.hidden) this.#hiding = setTimeout(turn, kHiddenMs, true);
    else turn(false);
  };

  #tell(): void {
    const largest = new Map<string, { member: string; lane: Lane; size: [number, number] }>();
    const pending = new Set<string>();
    for (const { member, lane, whole, width, height, visible, sized } of this.#followed.values()) {
      if (!sized || visible === undefined) {
        // The browser has not said yet.
        pending.add(`${lane} ${member}`);
        continue;
      }
      const seen = visible && !this.#hidden;
      const size: [number, number] = seen ? drawnSize(width, height, whole, globalThis.devicePixelRatio ?? 1) : [0, 0];
      const key = `${lane} ${member}`;
      const other = largest.get(key);
      if (!other || size[0] > other.size[0]) largest.set(key, { member, lane, size });
    }
    for (const [key, { member, lane, size }] of largest) {
      const text = size.join(' ');
      if (this.#told.get(key) === text) continue;
      this.#told.set(key, text);
      this.#show(member, lane, ...size);
    }
    for (const key of [...this.#told.keys()]) {
      if (largest.has(key) || pending.has(key)) continue;
      this.#told.delete(key);
      const at = key.indexOf(' ');
      this.#show(key.slice(at + 1), key.slice(0, at) as Lane, 0, 0);
    }
  }
}
