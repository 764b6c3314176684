/** What the two pages of effects have in common. */
import { css, html } from 'lit';
import type { Messages } from './i18n';

export const labStyles = css`
  main {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    align-content: start;
    gap: 1.5rem;
    width: min(62rem, 100%);
    margin-inline: auto;
    padding: clamp(0.75rem, 4vw, 2.5rem) clamp(0.9rem, 4vw, 2rem) 3rem;
  }
  h1 {
    overflow-wrap: anywhere;
    hyphens: auto;
  }
  .title {
    display: grid;
    gap: 0.4rem;
    max-width: 42rem;
  }
  .from {
    display: flex;
    flex-wrap: wrap;
    gap: 0.6rem;
  }
  .from .button {
    flex: 1 1 12rem;
  }
  .stop {
    color: var(--red-text);
  }
  [role='alert']:not(:has(*)),
  [role='status']:not(:has(*)) {
    position: absolute;
  }
  input[type='file'] {
    position: absolute;
    opacity: 0;
    width: 1px;
    height: 1px;
  }
  .card {
    display: grid;
    gap: 1rem;
    padding: clamp(0.9rem, 3vw, 1.5rem);
  }
  figure {
    display: grid;
    gap: 0.35rem;
    margin: 0;
  }
  figcaption {
    display: flex;
    justify-content: space-between;
    gap: 1rem;
    font-size: var(--size-s);
    color: var(--text-2);
  }
  .labs {
    display: flex;
    flex-wrap: wrap;
    gap: 0.25rem 1.25rem;
  }
  .labs a {
    display: grid;
    align-items: center;
    min-height: 44px;
    color: var(--text-2);
    font-weight: 580;
    text-decoration: none;
    border-bottom: 3px solid transparent;
  }
  .labs a[aria-current] {
    color: var(--text);
    border-color: var(--accent);
  }
`;

export const kLabs = ['noise', 'background'] as const;
export type Lab = (typeof kLabs)[number];

export const labNavigation = (current: Lab, t: Messages) =>
  html`<nav class="labs" aria-label=${t.effects}>${kLabs.map((lab) => (lab === current ? html`<a href="#${lab}" aria-current="page">${t[lab].title}</a>` : html`<a href="#${lab}">${t[lab].title}</a>`))}</nav>`;
