/** What axe-core finds in a page, shadow roots included. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, type Page } from '@playwright/test';

const kAxe = resolve(import.meta.dirname, '../../../node_modules/axe-core/axe.min.js');

/** Violations of WCAG 2.2 A and AA and of axe's good practice, shadow roots included, in words. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync(kAxe, 'utf8'));
  return page.evaluate(async () => {
    interface Found {
      id: string;
      impact: string;
      nodes: { html: string; failureSummary: string }[];
    }
    const { axe } = globalThis as never as {
      axe: { run(where: Document, options: object): Promise<{ violations: Found[] }> };
    };
    const found = await axe.run(document, { resultTypes: ['violations'] });
    return found.violations.map(
      ({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`,
    );
  });
}

export async function isAccessible(page: Page, state: string): Promise<void> {
  // What fades in counts as it stays. A document does not tell of animations in its shadow roots; what turns for ever
  // (something is being waited for) is not waited for.
  await page.waitForFunction(() => {
    const still = (root: Document | ShadowRoot): boolean =>
      root
        .getAnimations()
        .every(
          ({ playState, effect }) =>
            playState !== 'running' || effect?.getComputedTiming().endTime === Number.POSITIVE_INFINITY,
        ) && [...root.querySelectorAll('*')].every(({ shadowRoot }) => !shadowRoot || still(shadowRoot));
    return still(document);
  });
  expect(await violations(page), state).toEqual([]);
}
