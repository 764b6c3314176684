/** Pictures to stand in front of: a few of our own, and the person's. All of it stays in this browser. */
import { assetUrl } from '../../media/features';

/** Names of files in `assets/backgrounds`, drawn for this project. */
export const kBackgroundImages = ['office', 'hills', 'studio'] as const;
export type BackgroundImageName = (typeof kBackgroundImages)[number];

export interface BackgroundImage {
  /** `own`: the person's. */
  id: BackgroundImageName | 'own';
  picture: HTMLCanvasElement | ImageBitmap;
}

const kWidth = 1920;
const kHeight = 1080;
/** More is for nobody's benefit: what stands behind somebody is at most 1920 wide. */
const kMostFile = 50_000_000;

export function backgroundImageUrl(name: BackgroundImageName, assets?: string | URL): string {
  return assetUrl(`backgrounds/${name}.svg`, assets, import.meta.url).href;
}

/** Errors: undefined when it could not be fetched. */
export async function loadBackgroundImage(
  name: BackgroundImageName,
  assets?: string | URL,
): Promise<BackgroundImage | undefined> {
  const image = new Image(kWidth, kHeight);
  image.src = backgroundImageUrl(name, assets);
  try {
    await image.decode();
    // Drawn here once: not every browser makes a bitmap of a drawing.
    const picture = document.createElement('canvas');
    picture.width = kWidth;
    picture.height = kHeight;
    picture.getContext('2d')?.drawImage(image, 0, 0, kWidth, kHeight);
    return { id: name, picture };
  } catch {
    return undefined;
  }
}

/** Errors: undefined when it is no picture that this browser reads, or beyond all measure. */
export async function openBackgroundImage(file: Blob): Promise<BackgroundImage | undefined> {
  if (file.size > kMostFile) return undefined;
  try {
    return { id: 'own', picture: await createImageBitmap(file) };
  } catch {
    return undefined;
  }
}
