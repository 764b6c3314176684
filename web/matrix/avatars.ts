/**
 * Pictures of people and rooms: fetched with this person's token (authenticated media), checked, and given out as object URLs
 * that this class owns and revokes.
 */
import type { MatrixClient } from 'matrix-js-sdk/lib/matrix';
import { readBody } from './discovery';

const kSize = 96;
const kMaxBytes = 300_000;
const kMaxPictures = 300;
/** No SVG: it can hold more than a picture. */
const kTypes: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif', 'image/avif']);

export type Download = (mxc: string) => Promise<Blob | undefined>;

/** Over the homeserver's thumbnails. */
export function clientDownload(client: MatrixClient): Download {
  return async (mxc) => {
    const address = client.mxcUrlToHttp(mxc, kSize, kSize, 'crop', false, true, true);
    if (!address) return undefined;
    const response = await fetch(address, {
      headers: { authorization: `Bearer ${client.getAccessToken()}` },
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      signal: AbortSignal.timeout(15_000),
    });
    return response.ok ? readBody(response, kMaxBytes) : undefined;
  };
}

export class Avatars {
  readonly #urls = new Map<string, string | undefined>();
  #closed = false;

  constructor(
    private readonly download: Download,
    private readonly changed: () => void,
  ) {}

  /** The picture if it is here; else it is fetched, and `changed` called when it is. */
  get(mxc: string | undefined | null): string | undefined {
    if (typeof mxc !== 'string' || this.#closed || !/^mxc:\/\/[^/\s]{1,255}\/[A-Za-z0-9_-]{1,255}$/.test(mxc))
      return undefined;
    const known = this.#urls.has(mxc);
    const url = this.#urls.get(mxc);
    // What was asked for last comes last: what nobody asks for any more makes room, so nobody fills it up by changing theirs.
    this.#urls.delete(mxc);
    this.#urls.set(mxc, url);
    if (!known) {
      this.#makeRoom();
      void this.#load(mxc);
    }
    return url;
  }

  close(): void {
    this.#closed = true;
    for (const url of this.#urls.values()) if (url) URL.revokeObjectURL(url);
    this.#urls.clear();
  }

  #makeRoom(): void {
    const [oldest] = this.#urls;
    if (!oldest || this.#urls.size <= kMaxPictures) return;
    const [mxc, url] = oldest;
    this.#urls.delete(mxc);
    if (url) URL.revokeObjectURL(url);
  }

  async #load(mxc: string): Promise<void> {
    try {
      const blob = await this.download(mxc);
      if (!blob || this.#closed || blob.size > kMaxBytes || !kTypes.has(blob.type.split(';')[0] ?? '')) return;
      if (!this.#urls.has(mxc) || this.#urls.get(mxc) !== undefined) return;
      this.#urls.set(mxc, URL.createObjectURL(blob));
      this.changed();
    } catch {
      // No picture: initials.
    }
  }
}
