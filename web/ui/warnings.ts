/** <siegel-warnings>: what a person has to know because it touches who can listen. A button with a count, and the list. */
import { css, html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { Warning } from '../call';
import { clockTime } from './clock';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';

/** Somebody may be at work; the others are for judging. */
const kGrave: ReadonlySet<Warning['kind']> = new Set(['clear-media', 'changed-identity', 'room-not-encrypted']);

export class SiegelWarnings extends SiegelElement {
  static override properties = {
    // The list is a new one each time it is asked for; what stands in it is not.
    warnings: {
      attribute: false,
      hasChanged: (now: readonly Warning[] = [], before: readonly Warning[] = []) =>
        now.length !== before.length || now.some((warning, i) => warning !== before[i]),
    },
    verifies: { type: Boolean },
  };
  declare warnings: readonly Warning[];
  /** Something can be done here about unverified devices and changed identities. */
  declare verifies: boolean;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: contents;
      }
      .opener {
        display: inline-flex;
        align-items: center;
        gap: 0.35rem;
        min-height: 40px;
        padding: 0.2rem 0.65rem;
        border: 0;
        border-radius: var(--radius-control);
        background: var(--amber-tint);
        color: var(--amber-text);
        font-size: var(--size-s);
        font-weight: 600;
        font-variant-numeric: tabular-nums;
      }
      .opener.grave {
        background: var(--red-tint);
        color: var(--red-text);
      }
      .opener .icon {
        width: 1.2rem;
        height: 1.2rem;
      }
      ul {
        display: grid;
        gap: 0.75rem;
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        gap: 0.2rem 0.75rem;
        padding: 0.8rem 0.95rem;
        border-radius: var(--radius-control);
        background: var(--amber-tint);
        color: var(--amber-text);
      }
      li.grave {
        background: var(--red-tint);
        color: var(--red-text);
      }
      li > .icon {
        grid-row: span 2;
      }
      li p,
      li .button {
        grid-column: 2;
      }
      li .button {
        justify-self: start;
        min-height: 36px;
        margin-top: 0.45rem;
        padding: 0.25rem 0.75rem;
        color: inherit;
        background: transparent;
        border-color: currentColor;
        font-size: var(--size-s);
      }
      li p {
        font-size: var(--size-s);
        line-height: 1.5;
        overflow-wrap: anywhere;
      }
      time {
        opacity: 0.85;
        font-size: 0.8125rem;
        font-weight: 400;
        margin-left: 0.4rem;
      }
    `,
  ];

  constructor() {
    super();
    this.warnings = [];
    this.verifies = false;
  }

  override render() {
    const { t, warnings } = this;
    if (warnings.length === 0) return nothing;
    const grave = warnings.some(({ kind }) => kGrave.has(kind));
    const label = t.warningsCount(warnings.length);
    return html`
      <button type="button" class="opener ${grave ? 'grave' : ''}" aria-label=${label} title=${label} @click=${this.#open}>${icons.warning}${warnings.length}</button>
      <dialog aria-labelledby="title" @click=${this.#outside}>
        <div class="dialog-head">
          <h2 id="title">${t.warnings}</h2>
          <button type="button" class="icon-button" aria-label=${t.close} @click=${this.#close}>${icons.close}</button>
        </div>
        <div class="dialog-body">
          <ul>
            ${repeat(
              warnings,
              ({ id }) => id,
              (warning) => this.#warning(warning),
            )}
          </ul>
        </div>
      </dialog>
    `;
  }

  #warning({ kind, name, at, member }: Warning) {
    const { t } = this;
    const { title, text } = t.warning[kind];
    const time = clockTime(at);
    return html`<li data-warning=${kind} class=${kGrave.has(kind) ? 'grave' : ''}>
      ${icons.warning}
      <h3>${title}<time>${time}</time></h3>
      <p>${text(name || t.someone)}</p>
      ${this.#action(kind, name, member)}
    </li>`;
  }

  #action(kind: Warning['kind'], name: string, member: string | undefined) {
    const t = this.t.verify;
    if (!this.verifies) return nothing;
    if (kind === 'own-device')
      return html`<button type="button" class="button" @click=${() => this.#act('verify-device')}>${t.device}</button>`;
    if (kind !== 'changed-identity' || member === undefined) return nothing;
    const who = { member, name: name || this.t.someone };
    return html`<p>${t.again}</p>
      <button type="button" class="button" @click=${() => this.#act('verify-member', who)}>${t.personAgain(who.name)}</button>`;
  }

  #act(kind: 'verify-device' | 'verify-member', detail?: { member: string; name: string }): void {
    this.#close();
    this.announce(kind, detail);
  }

  readonly #open = (): void => this.renderRoot.querySelector('dialog')?.showModal();
  readonly #close = (): void => this.renderRoot.querySelector('dialog')?.close();
  readonly #outside = (event: MouseEvent): void => {
    if (event.target === event.currentTarget) (event.currentTarget as HTMLDialogElement).close();
  };
}
define('siegel-warnings', SiegelWarnings);
