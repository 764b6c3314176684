/** <siegel-notice>: a screen instead of the call: what happened, in words, and what to do. */
import { css, html, nothing, type TemplateResult } from 'lit';
import { define, SiegelElement } from './element';
import { sharedStyles } from './styles';

export interface NoticeAction {
  text: string;
  primary?: boolean;
  run(): void;
}

export class SiegelNotice extends SiegelElement {
  static override properties = {
    heading: {},
    text: {},
    icon: { attribute: false },
    tone: { reflect: true },
    actions: { attribute: false },
    hint: {},
    kind: { reflect: true, attribute: 'data-kind' },
  };
  declare heading: string;
  declare text: string;
  declare hint: string;
  declare icon: TemplateResult | undefined;
  declare tone: 'info' | 'bad';
  declare actions: NoticeAction[];
  declare kind: string;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        place-items: center;
        padding: 1.25rem;
        min-height: 100%;
      }
      .card {
        display: grid;
        justify-items: start;
        gap: 0.9rem;
        width: min(30rem, 100%);
        padding: clamp(1.4rem, 5vw, 2.25rem);
      }
      .sign {
        display: grid;
        place-items: center;
        width: 3.25rem;
        height: 3.25rem;
        border-radius: 1rem;
        background: var(--accent-tint);
        color: var(--accent);
      }
      :host([tone='bad']) .sign {
        background: var(--red-tint);
        color: var(--red-text);
      }
      .sign .icon {
        width: 1.75rem;
        height: 1.75rem;
      }
      .actions {
        margin-top: 0.5rem;
        width: 100%;
      }
    `,
  ];

  constructor() {
    super();
    this.heading = '';
    this.text = '';
    this.hint = '';
    this.icon = undefined;
    this.tone = 'info';
    this.actions = [];
    this.kind = '';
  }

  override render() {
    return html`<section class="card" role="alert">
      <div class="sign">${this.icon ?? nothing}</div>
      <h1 tabindex="-1">${this.heading}</h1>
      <p class="quiet">${this.text}</p>
      ${
        this.actions.length === 0
          ? nothing
          : html`<div class="actions">
              ${this.actions.map(
                (action) =>
                  html`<button type="button" class="button ${action.primary ? 'primary' : ''}" @click=${() => action.run()}>${action.text}</button>`,
              )}
            </div>`
      }
      ${this.hint ? html`<p class="quiet small">${this.hint}</p>` : nothing}
    </section>`;
  }
}
define('siegel-notice', SiegelNotice);
