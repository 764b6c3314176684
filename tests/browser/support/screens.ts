/** Pictures of a page at three widths for people to look at, and what of their layout a program can check. */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, type Page } from '@playwright/test';

const kFolder = resolve(import.meta.dirname, '../../../test-results/screenshots');
export const kSizes = [
  { width: 360, height: 740 },
  { width: 768, height: 1024 },
  { width: 1280, height: 800 },
];

/** Controls that reach out of the window or are too small, in words. */
function misplaced(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    if (document.documentElement.scrollWidth > innerWidth + 1)
      found.push(`page is ${document.documentElement.scrollWidth} px wide`);
    /** Out of sight in something that scrolls sideways is no fault. */
    const scrolls = (element: Element): boolean => {
      for (let at: Element | null = element; at !== null; ) {
        const { overflowX } = getComputedStyle(at);
        if (/auto|scroll/.test(overflowX) && at.scrollWidth > at.clientWidth + 1) return true;
        const root = at.getRootNode();
        at = at.parentElement ?? (root instanceof ShadowRoot ? root.host : null);
      }
      return false;
    };
    const walk = (root: Document | ShadowRoot) => {
      for (const element of root.querySelectorAll('*')) {
        if (element.shadowRoot !== null) walk(element.shadowRoot);
        if (!(element instanceof HTMLElement) || !element.matches('button, input, select, a[href]')) continue;
        if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        const { left, right, width, height } = element.getBoundingClientRect();
        if (width === 0) continue;
        const name = element.getAttribute('aria-label') ?? (element.textContent.trim() || element.tagName);
        if ((left < -1 || right > innerWidth + 1) && !scrolls(element))
          found.push(`"${name}" lies from ${left} to ${right}`);
        if (height < 24 || width < 24) found.push(`"${name}" is ${width} × ${height}`);
      }
    };
    walk(document);
    return found;
  });
}

/** Into test-results/screenshots as `<name>-<width>.png`; asserts what a program can see. */
export async function takePictures(page: Page, name: string, sizes = kSizes): Promise<void> {
  mkdirSync(kFolder, { recursive: true });
  for (const size of sizes) {
    await page.setViewportSize(size);
    // Layout and fonts settle with the next two pictures.
    await page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(null)))),
    );
    expect(await misplaced(page), `${name} at ${size.width} px`).toEqual([]);
    const path = resolve(kFolder, `${name}-${size.width}.png`);
    await page.screenshot({ path, caret: 'initial', animations: 'allow' });
  }
}
