/** <siegel-badge>: shield, colour and word for what was measured. Never colour alone. Click asks for the numbers. */
import { css, html } from 'lit';
import type { Badge } from '../call';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';

/** A badge is measured anew several times a second and says the same most of the time: then nothing is drawn. */
export const otherBadge = (now: Badge | undefined, before: Badge | undefined): boolean =>
  now?.level !== before?.level || now?.cause !== before?.cause;

export class SiegelBadge extends SiegelElement {
  static override properties = {
    badge: { attribute: false, hasChanged: otherBadge },
    label: {},
    compact: { type: Boolean },
    level: { reflect: true, attribute: 'data-level' },
    cause: { reflect: true, attribute: 'data-cause' },
  };
  declare badge: Badge;
  /** What the button does, for screen readers: names whose badge it is. */
  declare label: string;
  /** Only the shield where there is little room, except when something is wrong. */
  declare compact: boolean;
  declare level: string;
  declare cause: string;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: inline-flex;
        max-width: 100%;
      }
      button {
        display: inline-flex;
        align-items: center;
        gap: 0.35rem;
        max-width: 100%;
        min-height: 32px;
        padding: 0.2rem 0.65rem 0.2rem 0.45rem;
        border: 0;
        border-radius: 99px;
        font-size: var(--size-s);
        font-weight: 600;
        line-height: 1.1;
        background: var(--badge-tint);
        color: var(--badge-text);
        position: relative;
      }
      /* The target is at least 44 px high although the pill is not. */
      button::after {
        content: '';
        position: absolute;
        inset: -6px 0;
      }
      button:hover {
        filter: brightness(1.06);
      }
      .icon {
        width: 1.15rem;
        height: 1.15rem;
        stroke-width: 2.1;
      }
      .word {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      :host([data-level='green']) {
        --badge-tint: var(--green-tint);
        --badge-text: var(--green-text);
      }
      :host([data-level='amber']) {
        --badge-tint: var(--amber-tint);
        --badge-text: var(--amber-text);
      }
      :host([data-level='red']) {
        --badge-tint: var(--red-solid);
        --badge-text: #fff;
      }
      /* In a narrow tile: the shield alone says it is not green, and the word is read out and in the title. */
      @container (max-width: 17rem) {
        :host([data-level='amber']) button {
          padding: 0.2rem 0.45rem;
        }
        :host([data-level='amber']) .word {
          position: absolute;
          clip-path: inset(50%);
          width: 1px;
        }
      }
      :host([compact][data-level='green']) button,
      :host([compact][data-level='amber']) button {
        padding: 0.2rem 0.45rem;
      }
      :host([compact][data-level='green']) .word,
      :host([compact][data-level='amber']) .word {
        position: absolute;
        clip-path: inset(50%);
        width: 1px;
      }
    `,
  ];

  constructor() {
    super();
    this.badge = { level: 'amber', cause: 'alone' };
    this.label = '';
    this.compact = false;
    this.level = 'amber';
    this.cause = 'alone';
  }

  override willUpdate(): void {
    this.level = this.badge.level;
    this.cause = this.badge.cause;
  }

  override render() {
    const [word = '', meaning = ''] = this.t.badge[this.badge.cause];
    const icon = { green: icons.shieldGreen, amber: icons.shieldAmber, red: icons.shieldRed }[this.badge.level];
    return html`<button type="button" title=${meaning} aria-label=${`${word}. ${this.label}`} @click=${() => this.announce('numbers')}>
      ${icon}<span class="word">${word}</span>
    </button>`;
  }
}
define('siegel-badge', SiegelBadge);
