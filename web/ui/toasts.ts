/** <siegel-toasts>: short messages that go away by themselves and are read out (aria-live). */
import { css, html } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { define, SiegelElement } from './element';
import { sharedStyles } from './styles';

interface Toast {
  id: number;
  text: string;
  tone: 'info' | 'bad';
  /** What it is about, for `dismiss`; '' for nothing that could be over early. */
  about: string;
}

const kShownMs = 5000;

export class SiegelToasts extends SiegelElement {
  static override properties = { toasts: { state: true } };
  declare toasts: Toast[];
  #next = 1;

  static override styles = [
    sharedStyles,
    css`
      :host {
        position: fixed;
        z-index: 20;
        inset-inline: 0.75rem;
        /* Above the controls: the badges at the top of the tiles stay free. */
        bottom: calc(6.1rem + env(safe-area-inset-bottom));
        display: grid;
        justify-items: center;
        gap: 0.5rem;
        pointer-events: none;
      }
      .toast {
        max-width: 32rem;
        padding: 0.65rem 1rem;
        border-radius: var(--radius-control);
        background: var(--inverse);
        color: var(--on-inverse);
        font-size: var(--size-s);
        font-weight: 540;
        line-height: 1.4;
        box-shadow: var(--shadow-float);
        animation: come 180ms ease-out;
        overflow-wrap: anywhere;
      }
      .toast.bad {
        background: var(--red-solid);
        color: #fff;
      }
      @keyframes come {
        from {
          opacity: 0;
          transform: translateY(6px);
        }
      }
    `,
  ];

  constructor() {
    super();
    this.toasts = [];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.setAttribute('role', 'status');
    this.setAttribute('aria-live', 'polite');
  }

  show(text: string, tone: Toast['tone'] = 'info', about = ''): void {
    const toast = { id: this.#next++, text, tone, about };
    // The same text twice in a row is one message.
    this.toasts = [...this.toasts.filter((each) => each.text !== text), toast].slice(-3);
    setTimeout(() => {
      this.toasts = this.toasts.filter((each) => each.id !== toast.id);
    }, kShownMs);
  }

  /** What these said, the person now sees elsewhere. */
  dismiss(about: string): void {
    this.toasts = this.toasts.filter((each) => each.about !== about);
  }

  override render() {
    return repeat(
      this.toasts,
      (toast) => toast.id,
      (toast) => html`<div class="toast ${toast.tone}">${toast.text}</div>`,
    );
  }
}
define('siegel-toasts', SiegelToasts);
