/** <siegel-tile>: one picture of a call: a person or a screen, with name, microphone state and badge. */
import { css, html, nothing } from 'lit';
import { live } from 'lit/directives/live.js';
import type { Badge } from '../call';
import { otherBadge } from './badge';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';

export class SiegelTile extends SiegelElement {
  static override properties = {
    name: {},
    letters: {},
    mark: {},
    member: { reflect: true, attribute: 'data-member' },
    stream: { attribute: false },
    own: { type: Boolean, reflect: true },
    mirrored: { type: Boolean, reflect: true },
    screen: { type: Boolean, reflect: true },
    muted: { type: Boolean },
    hand: { type: Boolean },
    speaking: { type: Boolean, reflect: true },
    badge: { attribute: false, hasChanged: otherBadge },
    status: {},
    avatar: {},
    reaction: {},
    key: {},
    large: { type: Boolean, reflect: true },
    pinned: { type: Boolean, reflect: true },
    whole: { state: true },
  };
  declare name: string;
  /** For the picture without a picture; '' shows a figure. */
  declare letters: string;
  declare mark: string;
  declare member: string;
  /** Picture to show; undefined shows initials. */
  declare stream: MediaStream | undefined;
  declare own: boolean;
  declare mirrored: boolean;
  declare screen: boolean;
  declare muted: boolean;
  declare hand: boolean;
  declare speaking: boolean;
  declare badge: Badge | undefined;
  declare status: string;
  /** Object URL of a picture instead of letters; '' for none. */
  declare avatar: string;
  /** Emoji of a moment ago, or ''. */
  declare reaction: string;
  /** What `pin` events name; '' offers no pinning. */
  declare key: string;
  /** In the large place of the stage. */
  declare large: boolean;
  /** This person put it there. */
  declare pinned: boolean;
  /** Fills the whole display. */
  declare whole: boolean;

  static override styles = [
    sharedStyles,
    css`
      :host {
        position: relative;
        display: block;
        min-width: 0;
        min-height: 0;
        overflow: hidden;
        border-radius: var(--radius-tile);
        background: var(--tile);
        color: var(--on-tile);
        container-type: size;
        isolation: isolate;
      }
      video {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        object-fit: cover;
        background: var(--tile);
      }
      :host([screen]) video {
        object-fit: contain;
        background: #05070a;
      }
      :host([mirrored]) video {
        transform: scaleX(-1);
      }
      .face {
        position: absolute;
        inset: 0;
        display: grid;
        place-items: center;
        background: radial-gradient(circle at 50% 40%, hsl(var(--hue, 220) 32% 27%), hsl(var(--hue, 220) 34% 15%));
      }
      .avatar {
        display: grid;
        place-items: center;
        width: clamp(3rem, 34cqmin, 8.5rem);
        aspect-ratio: 1;
        border-radius: 50%;
        background: hsl(var(--hue, 220) 45% 42%);
        color: #fff;
        font-size: clamp(1.1rem, 13cqmin, 3.1rem);
        font-weight: 620;
        letter-spacing: 0.01em;
        overflow: hidden;
      }
      .avatar img {
        width: 100%;
        height: 100%;
        object-fit: cover;
      }
      .reaction {
        position: absolute;
        right: 0.6rem;
        bottom: 0.45rem;
        font-size: clamp(1.5rem, 16cqmin, 3rem);
        line-height: 1;
        animation: rise 260ms ease-out;
        filter: drop-shadow(0 2px 5px rgb(0 0 0 / 0.5));
      }
      @keyframes rise {
        from {
          opacity: 0;
          transform: translateY(40%) scale(0.6);
        }
      }
      .avatar .icon {
        width: 55%;
        height: 55%;
      }
      .status {
        position: absolute;
        inset-inline: 0;
        bottom: 3.1rem;
        text-align: center;
        font-size: var(--size-s);
        color: var(--on-tile-2);
        text-shadow: 0 1px 3px rgb(0 0 0 / 0.6);
        padding-inline: 0.75rem;
      }
      @container (max-height: 6.5rem) {
        .avatar,
        .status {
          display: none;
        }
      }
      .plate {
        position: absolute;
        left: 0.55rem;
        bottom: 0.55rem;
        display: flex;
        align-items: center;
        gap: 0.4rem;
        max-width: calc(100% - 1.1rem);
        padding: 0.3rem 0.6rem;
        border-radius: 0.6rem;
        background: rgb(10 14 20 / 0.66);
        color: #fff;
        font-size: var(--size-s);
        font-weight: 560;
        line-height: 1.25;
      }
      .plate .icon {
        width: 1.05rem;
        height: 1.05rem;
      }
      .plate .off {
        color: #ff9d97;
      }
      .name {
        flex: 0 1 auto;
        min-width: 0;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .markword {
        flex: 0 3 auto;
        min-width: 2.2rem;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
        opacity: 0.85;
        font-variant-numeric: tabular-nums;
        letter-spacing: 0.05em;
      }
      .top {
        position: absolute;
        top: 0.55rem;
        right: 0.55rem;
        left: 0.55rem;
        display: flex;
        align-items: start;
        justify-content: flex-end;
        gap: 0.4rem;
        pointer-events: none;
      }
      .top > * {
        pointer-events: auto;
        min-width: 0;
      }
      .tools {
        display: flex;
        gap: 0.4rem;
        flex: none;
        margin-right: auto;
      }
      .tool {
        display: grid;
        place-items: center;
        width: 32px;
        height: 32px;
        padding: 0;
        border: 0;
        border-radius: 0.6rem;
        background: rgb(10 14 20 / 0.66);
        color: #fff;
        position: relative;
      }
      .tool::after {
        content: '';
        position: absolute;
        inset: -6px -3px;
      }
      .tool:hover {
        background: rgb(40 48 60 / 0.9);
      }
      .tool .icon {
        width: 1.15rem;
        height: 1.15rem;
      }
      /* Where a pointer can hover, tools that are not in use stay out of the picture until it comes, or the keyboard does. */
      @media (hover: hover) {
        .tool:not(.on) {
          opacity: 0;
          transition: opacity 120ms;
        }
        :host(:hover) .tool,
        :host([screen]) .tool,
        .tool:focus-visible,
        :host(:focus-within) .tool {
          opacity: 1;
        }
      }
      .hand {
        display: grid;
        place-items: center;
        width: 32px;
        height: 32px;
        border-radius: 50%;
        background: #ffd24a;
        color: #2a1d00;
      }
      .hand .icon {
        width: 1.2rem;
        height: 1.2rem;
      }
      /* A ring that does not rely on colour alone: it is also there or not. */
      :host::after {
        content: '';
        position: absolute;
        inset: 0;
        border-radius: inherit;
        border: 3px solid transparent;
        pointer-events: none;
        transition: border-color 150ms;
      }
      :host([speaking])::after {
        border-color: var(--speaking);
        /* Against a bright picture as well. */
        box-shadow: inset 0 0 0 2px rgb(6 10 16 / 0.45);
      }
    `,
  ];

  constructor() {
    super();
    this.name = '';
    this.letters = '';
    this.mark = '';
    this.member = '';
    this.stream = undefined;
    this.own = false;
    this.mirrored = false;
    this.screen = false;
    this.muted = false;
    this.hand = false;
    this.speaking = false;
    this.badge = undefined;
    this.status = '';
    this.avatar = '';
    this.reaction = '';
    this.key = '';
    this.large = false;
    this.pinned = false;
    this.whole = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.addEventListener('fullscreenchange', this.#onWhole);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.removeEventListener('fullscreenchange', this.#onWhole);
  }

  override updated(): void {
    let hash = 0;
    for (const char of this.member || this.name) hash = (hash * 31 + char.charCodeAt(0)) % 360;
    this.style.setProperty('--hue', String(hash));
    // Its buttons and signs belong to this person.
    this.setAttribute('role', 'group');
    this.setAttribute('aria-label', this.name);
    // Browsers do not always start an element whose stream began without data. (`live` in the template: lit sets objects
    // again with every render, and a stream that is set again starts from nothing.)
    const video = this.renderRoot.querySelector('video');
    if (video?.paused) void video.play().catch(() => {});
  }

  override render() {
    const { t } = this;
    return html`
      ${
        this.stream
          ? html`<video autoplay playsinline muted data-member=${this.member} aria-label=${this.name} .srcObject=${live(this.stream)} .muted=${true}></video>`
          : html`<div class="face"><div class="avatar" aria-hidden="true">${this.avatar ? html`<img src=${this.avatar} alt="" />` : this.letters || icons.people}</div></div>`
      }
      ${this.status ? html`<div class="status">${this.status}</div>` : nothing}
      <div class="top">
        <div class="tools">
        ${this.hand ? html`<span class="hand" role="img" aria-label=${t.handRaised} title=${t.handRaised}>${icons.hand}</span>` : nothing}
        ${this.key ? this.#tool(this.pinned ? t.unpin(this.name) : t.pin(this.name), this.pinned ? icons.unpin : icons.pin, this.#pin, this.pinned) : nothing}
        ${this.screen && this.large && document.fullscreenEnabled ? this.#tool(this.whole ? t.fullScreenOff : t.fullScreen, this.whole ? icons.shrink : icons.expand, this.#fill, this.whole) : nothing}
        </div>
        ${
          this.badge
            ? html`<siegel-badge .badge=${this.badge} .label=${t.showNumbers(this.name)} ?compact=${this.badge.level === 'green'}></siegel-badge>`
            : nothing
        }
      </div>
      ${this.reaction ? html`<div class="reaction" role="img" aria-label=${this.reaction}>${this.reaction}</div>` : nothing}
      <div class="plate">
        ${this.muted && !this.screen ? html`<span class="off" role="img" aria-label=${t.isMuted} title=${t.isMuted}>${icons.microphoneOff}</span>` : nothing}
        ${this.screen ? icons.screen : nothing}
        <span class="name" dir="auto">${this.name}</span>
        ${this.mark ? html`<span class="markword" dir="ltr">${this.mark}</span>` : nothing}
        ${this.speaking ? html`<span class="visually-hidden">${t.isSpeaking}</span>` : nothing}
      </div>
    `;
  }

  #tool(label: string, icon: unknown, run: () => void, on: boolean) {
    return html`<button type="button" class="tool ${on ? 'on' : ''}" aria-label=${label} title=${label} @click=${run}>${icon}</button>`;
  }

  readonly #pin = (): void => this.announce('pin', { key: this.key, pinned: this.pinned });

  readonly #fill = (): void => {
    void (this.whole ? document.exitFullscreen() : this.requestFullscreen()).catch(() => {});
  };

  readonly #onWhole = (): void => {
    this.whole = this.matches(':fullscreen');
  };
}
define('siegel-tile', SiegelTile);
