/** What components share: controls in the design's tokens (custom properties of the page's style sheet). */
import { css } from 'lit';

export const sharedStyles = css`
  :host {
    box-sizing: border-box;
    color: var(--text);
  }
  *,
  *::before,
  *::after {
    box-sizing: inherit;
  }
  [hidden] {
    display: none !important;
  }
  h1,
  h2,
  h3,
  p {
    margin: 0;
  }
  h1 {
    font-size: var(--size-xl);
    line-height: 1.15;
    letter-spacing: -0.02em;
    font-weight: 680;
    text-wrap: balance;
  }
  h2 {
    font-size: var(--size-l);
    line-height: 1.25;
    letter-spacing: -0.01em;
    font-weight: 640;
    text-wrap: balance;
  }
  h3 {
    font-size: var(--size-m);
    line-height: 1.35;
    font-weight: 620;
  }
  p {
    text-wrap: pretty;
  }
  .quiet {
    color: var(--text-2);
  }
  .small {
    font-size: var(--size-s);
  }
  .icon {
    flex: none;
    width: 1.375rem;
    height: 1.375rem;
  }
  .mark {
    color: var(--accent);
    flex: none;
  }
  .mark .hole {
    fill: var(--surface);
  }
  button,
  input,
  select {
    font: inherit;
    color: inherit;
  }
  button {
    cursor: pointer;
  }
  button:disabled {
    cursor: default;
    opacity: 0.55;
  }
  :focus-visible {
    outline: 3px solid var(--focus);
    outline-offset: 2px;
  }
  /* Headings that get the focus when a screen changes are no controls. */
  h1:focus-visible {
    outline: none;
  }
  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 0.55rem;
    min-height: 44px;
    padding: 0.55rem 1.15rem;
    border: 1px solid var(--line-strong);
    border-radius: var(--radius-control);
    background: var(--surface);
    font-weight: 580;
    line-height: 1.2;
    text-decoration: none;
    transition:
      background-color 120ms,
      border-color 120ms;
  }
  .button:hover:not(:disabled) {
    background: var(--surface-2);
  }
  .button.primary {
    border-color: transparent;
    background: var(--accent);
    color: var(--on-accent);
  }
  .button.primary:hover:not(:disabled) {
    background: var(--accent-strong);
  }
  .button.large {
    min-height: 52px;
    padding-inline: 1.5rem;
    font-size: var(--size-m);
  }
  .button.wide {
    width: 100%;
  }
  .button.plain {
    border-color: transparent;
    background: transparent;
    color: var(--accent);
    padding-inline: 0.6rem;
  }
  .button.plain:hover:not(:disabled) {
    background: var(--accent-tint);
  }
  .field {
    display: grid;
    gap: 0.4rem;
  }
  .field > label,
  .label {
    font-size: var(--size-s);
    font-weight: 580;
    color: var(--text-2);
  }
  .input,
  .select {
    width: 100%;
    min-height: 46px;
    padding: 0.55rem 0.85rem;
    border: 1px solid var(--line-strong);
    border-radius: var(--radius-control);
    background: var(--surface);
    min-width: 0;
  }
  .input::placeholder {
    color: var(--text-3);
    opacity: 1;
  }
  .select {
    appearance: none;
    padding-right: 2.4rem;
    text-overflow: ellipsis;
    background-image: var(--chevron);
    background-repeat: no-repeat;
    background-position: right 0.8rem center;
    background-size: 1rem;
  }
  .card {
    background: var(--surface);
    border: 1px solid var(--line);
    border-radius: var(--radius-card);
    box-shadow: var(--shadow-card);
  }
  .hint {
    display: flex;
    gap: 0.7rem;
    padding: 0.8rem 0.95rem;
    border-radius: var(--radius-control);
    font-size: var(--size-s);
    line-height: 1.45;
    background: var(--amber-tint);
    color: var(--amber-text);
  }
  .hint.bad {
    background: var(--red-tint);
    color: var(--red-text);
  }
  .hint .icon {
    margin-top: 0.05rem;
  }
  .hint .button {
    min-height: 36px;
    padding: 0.25rem 0.7rem;
    margin-top: 0.55rem;
    color: inherit;
    background: transparent;
    border-color: currentColor;
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  dialog {
    scrollbar-color: var(--line-strong) transparent;
    border: 1px solid var(--line);
    border-radius: var(--radius-card);
    background: var(--surface);
    color: var(--text);
    padding: 0;
    width: min(35rem, calc(100vw - 1.5rem));
    max-height: min(44rem, calc(100dvh - 1.5rem));
    box-shadow: var(--shadow-float);
  }
  dialog::backdrop {
    background: rgb(8 12 18 / 0.55);
  }
  .dialog-head {
    position: sticky;
    top: 0;
    z-index: 1;
    display: flex;
    align-items: center;
    justify-content: space-between;
    gap: 1rem;
    padding: 1rem 0.75rem 0.75rem 1.25rem;
    background: var(--surface);
  }
  .dialog-head h2 {
    overflow-wrap: anywhere;
  }
  .dialog-body {
    display: grid;
    gap: 1.15rem;
    padding: 0.25rem 1.25rem 1.35rem;
  }
  .icon-button {
    display: inline-grid;
    place-items: center;
    flex: none;
    width: 44px;
    height: 44px;
    padding: 0;
    border: 0;
    border-radius: var(--radius-control);
    background: transparent;
  }
  .icon-button:hover {
    background: var(--surface-2);
  }
  /* Buttons that end a step; on phones one below the other. */
  .actions {
    display: flex;
    flex-wrap: wrap;
    gap: 0.6rem;
  }
  @media (max-width: 30rem) {
    .actions .button {
      width: 100%;
    }
  }
  /* Something is being waited for. */
  .turning {
    flex: none;
    width: 26px;
    height: 26px;
    border-radius: 50%;
    border: 3px solid var(--surface-3);
    border-top-color: var(--accent);
    animation: turn 900ms linear infinite;
  }
  @keyframes turn {
    to {
      transform: rotate(1turn);
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .turning {
      border-color: var(--accent);
    }
    *,
    *::before,
    *::after {
      animation-duration: 1ms !important;
      animation-iteration-count: 1 !important;
      transition-duration: 1ms !important;
    }
  }
`;

/** Of the parts of settings that say what an effect does. */
export const effectStyles = css`
  :host {
    display: grid;
    gap: 0.6rem;
  }
  .state {
    display: flex;
    align-items: center;
    gap: 0.5rem;
    min-height: 1.5rem;
  }
  .state .icon {
    flex: none;
    width: 1.1rem;
    height: 1.1rem;
  }
`;
