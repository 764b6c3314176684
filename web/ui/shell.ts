/** What stands around every screen that is not the call itself: the same for calls by link and in Matrix rooms. */
import { css, html, type LitElement } from 'lit';
import { mark } from './icons';
import './language_select';

export const shellStyles = css`
  :host {
    display: block;
    min-height: 100dvh;
    background: var(--bg);
  }
  .page {
    display: grid;
    grid-template: auto minmax(0, 1fr) / minmax(0, 1fr);
    min-height: 100dvh;
  }
  .head {
    display: flex;
    align-items: center;
    justify-content: space-between;
    gap: 1rem;
    padding: calc(0.75rem + env(safe-area-inset-top)) max(1.1rem, env(safe-area-inset-right)) 0.5rem
      max(1.1rem, env(safe-area-inset-left));
  }
  .brand {
    display: flex;
    align-items: center;
    gap: 0.6rem;
    font-size: var(--size-m);
    font-weight: 700;
    letter-spacing: -0.015em;
  }
  .over {
    position: fixed;
    z-index: 15;
    inset: 0;
    display: grid;
    background: rgb(8 12 18 / 0.6);
    overflow: auto;
  }
`;

/** Sign of the product and choice of language, above the content of `.page`. */
export const shellHead = (appName: string) =>
  html`<header class="head"><div class="brand">${mark}<span>${appName}</span></div><siegel-language></siegel-language></header>`;

/**
 * After a change of screens the keyboard and a screen reader go on at the new one's heading, unless the screen has chosen a
 * place itself. Call when the view changed; not for the first one, where browsers begin by themselves.
 */
export async function focusHeading(app: LitElement): Promise<void> {
  await app.updateComplete;
  await new Promise((done) => requestAnimationFrame(done));
  if (!app.isConnected || (document.activeElement !== null && document.activeElement !== document.body)) return;
  const heading = findHeading(app.renderRoot as ShadowRoot);
  heading?.setAttribute('tabindex', '-1');
  heading?.focus({ preventScroll: true });
}

function findHeading(root: ShadowRoot): HTMLElement | null {
  const own = root.querySelector<HTMLElement>('h1');
  if (own) return own;
  for (const element of root.querySelectorAll('*')) {
    const inner = element.shadowRoot && element.checkVisibility() ? findHeading(element.shadowRoot) : null;
    if (inner) return inner;
  }
  return null;
}
