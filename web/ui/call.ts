/** <siegel-call>: the call itself: tiles, controls, badges, messages. Draws what CallRoom measures and says. */
import { css, html, nothing } from 'lit';
import { live } from 'lit/directives/live.js';
import { repeat } from 'lit/directives/repeat.js';
import type { CallRoom, LocalMedia, MediaProblem, Warning } from '../call';
import type { OwnDevice } from '../matrix/types';
import type { EngineInfo } from '../media/types';
import './badge';
import './chat';
import './devices';
import { define, SiegelElement } from './element';
import { icons, mark } from './icons';
import './language_select';
import { LevelMeter } from './level_meter';
import './background';
import './noise';
import './numbers';
import { sharedStyles } from './styles';
import './stage';
import './toasts';
import type { SiegelToasts } from './toasts';
import './warnings';

const canShare =
  typeof navigator !== 'undefined' &&
  navigator.mediaDevices !== undefined &&
  'getDisplayMedia' in navigator.mediaDevices;
const kSpeakingLevel = 0.35;
/** Red badges that come with a line of their own. */
const kSaidOtherwise: ReadonlySet<string> = new Set(['other-link', 'cannot-seal']);

export class SiegelCall extends SiegelElement {
  static override properties = {
    room: { attribute: false },
    media: { attribute: false },
    engine: { attribute: false },
    link: { attribute: false },
    numbersOf: { state: true },
    linkShown: { state: true },
    soundBlocked: { state: true },
    speaking: { state: true },
    chatOpen: { type: Boolean, reflect: true, attribute: 'chatting' },
    reacting: { state: true },
    openLink: { type: Boolean },
    verifies: {},
    ownDevice: {},
    ownNotice: { attribute: false },
    linkTexts: { attribute: false },
  };
  declare room: CallRoom;
  declare media: LocalMedia;
  declare engine: EngineInfo | undefined;
  /** Builds the invitation link when asked to; it is not kept here. */
  declare link: () => string;
  declare numbersOf: string;
  declare linkShown: string;
  declare soundBlocked: boolean;
  declare speaking: ReadonlySet<string>;
  declare chatOpen: boolean;
  declare reacting: boolean;
  /** The link holds the key of the call (local room); without, it only names the room. */
  declare openLink: boolean;
  /** Where devices and people are verified: here, in the client around this page, by codes only. Undefined: not in this kind of call. */
  declare verifies: 'here' | 'client' | 'codes' | undefined;
  /** What is known about this person's own device. */
  declare ownDevice: OwnDevice;
  /** Something about this person's own device that belongs to the security notices. */
  declare ownNotice: Warning | undefined;
  /** Other words for being alone and for a copied link. */
  declare linkTexts: { alone: string; copied: string } | undefined;
  #version = 0;
  #unsubscribe: Array<() => void> = [];
  #meters = new Map<string, LevelMeter>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #talkKey = false;
  #phase = '';
  #raised = new Set<string>();
  #sharing = new Set<string>();
  #badges = new Map<string, string>();
  #wakeLock: WakeLockSentinel | undefined;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        grid-template: auto auto minmax(0, 1fr) auto / minmax(0, 1fr);
        height: 100dvh;
        background: var(--stage);
      }
      header {
        display: flex;
        align-items: center;
        gap: 0.6rem;
        min-height: 3.5rem;
        padding: calc(0.4rem + env(safe-area-inset-top)) max(0.75rem, env(safe-area-inset-right)) 0.4rem
          max(0.85rem, env(safe-area-inset-left));
      }
      .brand {
        display: flex;
        align-items: center;
        gap: 0.55rem;
        font-weight: 680;
        letter-spacing: -0.01em;
      }
      .brand .mark {
        width: 1.75rem;
        height: 1.75rem;
      }
      .count {
        display: inline-flex;
        align-items: center;
        gap: 0.35rem;
        color: var(--text-2);
        font-size: var(--size-s);
        font-variant-numeric: tabular-nums;
      }
      .count .icon {
        width: 1.15rem;
        height: 1.15rem;
      }
      header siegel-badge {
        min-width: 0;
      }
      .space {
        flex: 1;
      }
      .banner {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: center;
        text-align: center;
        gap: 0.35rem 0.9rem;
        padding: 0.5rem 1rem;
        font-size: var(--size-s);
        font-weight: 560;
        background: var(--amber-tint);
        color: var(--amber-text);
      }
      .banner.share {
        background: var(--accent);
        color: var(--on-accent);
      }
      .banner .button {
        min-height: 34px;
        padding: 0.2rem 0.8rem;
        background: transparent;
        color: inherit;
        border-color: currentColor;
      }
      .banners {
        min-height: 0;
      }

      .stage {
        position: relative;
        min-height: 0;
        padding: 0 max(0.6rem, env(safe-area-inset-right)) 0 max(0.6rem, env(safe-area-inset-left));
      }
      .alone {
        position: absolute;
        inset-inline: 0;
        bottom: 3.5rem;
        display: grid;
        place-items: center;
        padding-inline: 1.25rem;
      }
      .alone .card {
        display: grid;
        gap: 0.7rem;
        width: min(27rem, 100%);
        padding: 1.1rem 1.25rem 1.25rem;
        box-shadow: var(--shadow-float);
      }

      siegel-chat {
        position: fixed;
        z-index: 12;
        inset: 0 0 0 auto;
        width: min(23rem, 100%);
        box-shadow: var(--shadow-float);
      }
      @media (min-width: 44rem) {
        :host([chatting]) {
          grid-template-columns: minmax(0, 1fr) clamp(18rem, 32vw, 24rem);
        }
        header,
        footer {
          grid-column: 1 / -1;
        }
        .banners,
        .stage {
          grid-column: 1;
        }
        siegel-chat {
          grid-area: 2 / 2 / 4 / 3;
          position: static;
          width: auto;
          min-height: 0;
          margin-right: max(0.6rem, env(safe-area-inset-right));
          border-radius: var(--radius-card);
          overflow: hidden;
          border: 1px solid var(--line);
          box-shadow: none;
        }
      }
      .reactions {
        display: flex;
        flex-wrap: wrap;
        justify-content: center;
        gap: 0.25rem;
        position: absolute;
        z-index: 11;
        bottom: 0.5rem;
        inset-inline: 0.75rem;
        width: fit-content;
        margin-inline: auto;
        padding: 0.35rem;
        border-radius: 1.2rem;
        background: var(--surface);
        border: 1px solid var(--line);
        box-shadow: var(--shadow-float);
      }
      .reactions button,
      .more-reactions button {
        min-width: 44px;
        min-height: 44px;
        padding: 0;
        border: 0;
        border-radius: 0.8rem;
        background: none;
        font-size: 1.4rem;
        line-height: 1;
      }
      .reactions button:hover,
      .more-reactions button:hover {
        background: var(--surface-2);
      }
      .more-reactions {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem;
      }
      /* Drawn, not written: the button's name says it in words. */
      .dot::after {
        content: attr(data-count);
      }
      .dot {
        position: absolute;
        top: -0.35rem;
        right: -0.35rem;
        min-width: 1.25rem;
        padding: 0.05rem 0.35rem;
        border-radius: 1rem;
        background: var(--red-solid);
        color: #fff;
        font-size: 0.75rem;
        font-weight: 650;
        line-height: 1.35;
        font-variant-numeric: tabular-nums;
      }
      .disc {
        position: relative;
      }
      footer {
        display: flex;
        justify-content: center;
        align-items: start;
        gap: clamp(0.4rem, 1.6vw, 0.75rem);
        padding: 0.7rem max(0.6rem, env(safe-area-inset-right)) calc(0.75rem + env(safe-area-inset-bottom))
          max(0.6rem, env(safe-area-inset-left));
      }
      .control {
        display: grid;
        justify-items: center;
        gap: 0.25rem;
        min-width: 56px;
        padding: 0;
        border: 0;
        border-radius: var(--radius-control);
        background: none;
        color: var(--text-2);
        font-size: 0.75rem;
        font-weight: 560;
        line-height: 1.2;
      }
      .control .disc {
        display: grid;
        place-items: center;
        width: 56px;
        height: 48px;
        border-radius: 1rem;
        background: var(--surface);
        color: var(--text);
        border: 1px solid var(--line);
        transition: background-color 120ms;
      }
      .control:hover .disc {
        background: var(--surface-2);
      }
      .control.off .disc {
        background: var(--red-tint);
        color: var(--red-text);
        border-color: transparent;
      }
      .control.active .disc {
        background: var(--accent);
        color: var(--on-accent);
        border-color: transparent;
      }
      .control.leave .disc {
        background: var(--red-solid);
        border-color: transparent;
        color: #fff;
      }
      .control.leave:hover .disc {
        background: var(--red-strong);
      }
      .control:focus-visible {
        outline: none;
      }
      .control:focus-visible .disc {
        outline: 3px solid var(--focus);
        outline-offset: 2px;
      }
      @media (max-width: 34rem) {
        .wide-only {
          display: none !important;
        }
        .brand span {
          display: none;
        }
        .control {
          min-width: 0;
          width: 58px;
        }
        .control .disc {
          width: 52px;
        }
        .invite {
          width: 44px;
          padding: 0;
        }
      }
      @media (max-height: 30rem) {
        .control .word {
          display: none;
        }
        footer {
          padding-block: 0.4rem calc(0.4rem + env(safe-area-inset-bottom));
        }
      }
      @media (min-width: 34.01rem) {
        .narrow-only {
          display: none !important;
        }
      }
      .keys {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 0.45rem 1rem;
        margin: 0;
        font-size: var(--size-s);
        align-items: center;
      }
      .keys dt {
        white-space: nowrap;
      }
      .keys dd {
        margin: 0;
        color: var(--text-2);
      }
      kbd {
        display: inline-block;
        min-width: 1.6rem;
        padding: 0.1rem 0.4rem;
        border: 1px solid var(--line-strong);
        border-bottom-width: 2px;
        border-radius: 0.4rem;
        background: var(--surface-2);
        font: inherit;
        font-size: 0.8125rem;
        text-align: center;
      }
    `,
  ];

  constructor() {
    super();
    this.numbersOf = '';
    this.linkShown = '';
    this.soundBlocked = false;
    this.speaking = new Set();
    this.engine = undefined;
    this.chatOpen = false;
    this.reacting = false;
    this.openLink = true;
    this.verifies = undefined;
    this.ownDevice = 'unknown';
    this.ownNotice = undefined;
    this.linkTexts = undefined;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unsubscribe = [
      this.room.on('change', () => this.#onChange()),
      this.room.on('joined', (member) => this.#toast(this.t.toastJoined(member.name || this.t.someone))),
      this.room.on('left', ({ name }) => this.#toast(this.t.toastLeft(name || this.t.someone))),
      this.room.on('stranger', () => this.#toast(this.t.toastStranger, 'bad')),
      this.room.on('warning', ({ kind, name }) => {
        // A new device is worth a line, not an alarm.
        const { title } = this.t.warning[kind];
        this.#toast(name ? this.t.badgeTurned(name, title) : title, kind === 'new-device' ? 'info' : 'bad');
      }),
      this.room.on('message', ({ member, name }) => {
        if (!this.chatOpen && member !== '') this.#toast(this.t.chatNew(name || this.t.someone), 'info', 'chat');
      }),
      this.room.on('reaction', ({ name, emoji }) => this.#toast(this.t.reacted(name || this.t.someone, emoji))),
      this.media.on('change', () => this.requestUpdate()),
      // That the browser's own control ended the sharing is no fault.
      this.media.on('noise', (what) =>
        this.#toast(this.t.noise.toast[what], what === 'restored' ? 'info' : 'bad', 'noise'),
      ),
      this.media.on('background', (what) =>
        this.#toast(this.t.background.toast[what], what === 'restored' ? 'info' : 'bad', 'background'),
      ),
      this.media.on('talkingMuted', () => this.#toast(this.t.noise.talkingMuted, 'info', 'muted')),
      this.media.on('lost', (what) => this.#toast(this.t.lost[what], what === 'screen' ? 'info' : 'bad')),
    ];
    this.#phase = this.room.phase;
    this.#timer = setInterval(() => this.#listen(), 150);
    document.addEventListener('keydown', this.#onKeyDown);
    document.addEventListener('keyup', this.#onKeyUp);
    document.addEventListener('visibilitychange', this.#stayAwake);
    this.#stayAwake();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    clearInterval(this.#timer);
    for (const meter of this.#meters.values()) meter.close();
    this.#meters.clear();
    document.removeEventListener('keydown', this.#onKeyDown);
    document.removeEventListener('keyup', this.#onKeyUp);
    document.removeEventListener('visibilitychange', this.#stayAwake);
    void this.#wakeLock?.release().catch(() => {});
  }

  override render() {
    const { t, room, media } = this;
    const members = room.members;
    const warnings = [...(room.warnings ?? []), ...(this.ownNotice ? [this.ownNotice] : [])];
    const stopped = room.phase === 'failed';
    return html`
      <header>
        <h1 class="visually-hidden">${t.call}</h1>
        <div class="brand">${mark}<span>${t.appName}</span></div>
        <siegel-badge data-call .badge=${room.badge} .label=${t.showCallNumbers} @numbers=${() => {
          this.numbersOf = 'call';
        }}></siegel-badge>
        <span class="count" role="img" aria-label=${t.people(members.length + 1)} title=${t.people(members.length + 1)}>${icons.people}${members.length + 1}</span>
        ${warnings.length > 0 ? html`<siegel-warnings .warnings=${warnings} ?verifies=${this.verifies === 'here'}></siegel-warnings>` : nothing}
        <span class="space"></span>
        <button type="button" class="button invite" aria-label=${`${t.invite}: ${t.copyLink}`} title=${t.copyLink} @click=${this.#copyLink}>${icons.link}<span class="wide-only">${t.invite}</span></button>
      </header>
      <div class="banners" role="status">
        <slot name="banners"></slot>
        ${room.phase === 'away' ? html`<div class="banner" data-banner="away">${t.away}</div>` : nothing}
        ${room.phase === 'reconnecting' ? html`<div class="banner" data-banner="reconnecting">${t.reconnecting}</div>` : nothing}
        ${
          room.mayListen.length > 0
            ? html`<div class="banner" data-banner="may-listen">${t.mayListen(room.mayListen.map((name) => name || t.someone).join(', '))}</div>`
            : nothing
        }
        ${
          media.screenVideo
            ? html`<div class="banner share"><span>${t.youShare}</span><button type="button" class="button" @click=${() => media.stopSharing()}>${t.stopShare}</button></div>`
            : nothing
        }
        ${
          this.soundBlocked
            ? html`<div class="banner"><button type="button" class="button" @click=${this.#playAll}>${t.hearAll}</button></div>`
            : nothing
        }
        ${
          this.linkShown
            ? html`<div class="banner"><label for="link">${t.copyFailed}</label>
                <input class="input" id="link" readonly .value=${this.linkShown} @focus=${(event: FocusEvent) => (event.target as HTMLInputElement).select()} />
                <button type="button" class="button" @click=${() => {
                  this.linkShown = '';
                }}>${t.close}</button></div>`
            : nothing
        }
      </div>
      <main class="stage" aria-label=${t.call}>
        <siegel-stage .room=${room} .media=${media} .version=${this.#version} ?stopped=${stopped} .speaking=${this.speaking} @numbers-of=${(
          event: CustomEvent<string>,
        ) => {
          event.stopPropagation();
          this.numbersOf = event.detail;
        }}></siegel-stage>
        ${
          this.reacting
            ? html`<div class="reactions" role="group" aria-label=${t.react}>${this.#reactionButtons(() => {
                this.reacting = false;
              })}</div>`
            : nothing
        }
        ${
          members.length === 0 && room.phase === 'joined'
            ? html`<div class="alone"><div class="card">
                <h2>${t.aloneTitle}</h2>
                <p class="quiet small">${this.linkTexts?.alone ?? (this.openLink ? t.aloneText : t.aloneTextRoom)}</p>
                <button type="button" class="button primary" @click=${this.#copyLink}>${icons.link}${t.copyLink}</button>
              </div></div>`
            : nothing
        }
        ${repeat(
          stopped ? [] : members,
          (member) => member.id,
          (member) =>
            (['audio', 'screen-audio'] as const).map((lane) => {
              const stream = member.streams.get(lane);
              return stream
                ? html`<audio autoplay data-member=${member.id} data-lane=${lane} .srcObject=${live(stream)}></audio>`
                : nothing;
            }),
        )}
      </main>
      ${
        this.chatOpen && room.chat
          ? html`<siegel-chat role="complementary" aria-label=${t.chat} .chat=${room.chat} .version=${this.#version} .encrypted=${!room.warnings?.some(({ kind }) => kind === 'room-not-encrypted')} @close-chat=${this.#toggleChat}></siegel-chat>`
          : nothing
      }
      ${this.#controls()}
      ${this.#settings()}
      <siegel-numbers .room=${room} .engine=${this.engine} .verifies=${this.verifies} .target=${this.numbersOf} @numbers-of=${(
        event: CustomEvent<string>,
      ) => {
        event.stopPropagation();
        this.numbersOf = event.detail;
      }} @action-failed=${() => this.#toast(t.actionFailed, 'bad')}></siegel-numbers>
      <siegel-toasts></siegel-toasts>
    `;
  }

  // Controls ----------------------------------------------------------------------------------------------------------

  #controls() {
    const { t, media, room } = this;
    const sharing = media.screenVideo !== undefined;
    const cameraOn = media.camera !== undefined;
    return html`<footer>
      ${this.#control(media.talking ? t.mute : t.unmute, media.talking ? t.muteShort : t.unmuteShort, media.talking ? icons.microphone : icons.microphoneOff, this.#toggleMicrophone, media.talking ? '' : 'off')}
      ${this.#control(cameraOn ? t.cameraOff : t.cameraOn, t.cameraShort, cameraOn ? icons.camera : icons.cameraOff, this.#toggleCamera, cameraOn ? '' : 'off')}
      ${canShare ? this.#control(sharing ? t.stopShare : t.share, sharing ? t.stopShareShort : t.shareShort, sharing ? icons.screenOff : icons.screen, this.#toggleShare, `${room.chat ? 'wide-only' : ''} ${sharing ? 'active' : ''}`) : nothing}
      ${this.#control(room.handRaised ? t.lowerHand : t.raiseHand, room.handRaised ? t.lowerHand : t.raiseHand, icons.hand, this.#toggleHand, `wide-only ${room.handRaised ? 'active' : ''}`)}
      ${room.reactions ? this.#control(t.react, t.react, icons.smile, this.#toggleReacting, `wide-only ${this.reacting ? 'active' : ''}`) : nothing}
      ${
        room.chat
          ? this.#control(
              this.chatOpen ? t.chatClose : room.chat.unread > 0 ? t.chatUnread(room.chat.unread) : t.chatOpen,
              t.chat,
              icons.chat,
              this.#toggleChat,
              `open-chat ${this.chatOpen ? 'active' : ''}`,
              this.chatOpen ? 0 : room.chat.unread,
            )
          : nothing
      }
      ${this.#control(t.settings, t.more, icons.settings, this.#openSettings, '')}
      ${this.#control(t.leave, t.leaveShort, icons.leave, () => this.announce('leave'), 'leave')}
    </footer>`;
  }

  #control(label: string, word: string, icon: unknown, run: () => void, look: string, count = 0) {
    // Whoever speaks to the device says the word that is seen.
    const name = label.toLowerCase().includes(word.toLowerCase()) ? label : `${word}: ${label}`;
    return html`<button type="button" class="control ${look}" aria-label=${name} title=${label} @click=${run}>
      <span class="disc">${icon}${count > 0 ? html`<span class="dot" aria-hidden="true" data-count=${count > 99 ? '99+' : count}></span>` : nothing}</span><span class="word" aria-hidden="true">${word}</span>
    </button>`;
  }

  #settings() {
    const { t, room } = this;
    const ctrl = html`<kbd>${t.keyCtrl}</kbd>`;
    return html`<dialog id="settings" aria-labelledby="settings-title" @click=${(event: MouseEvent) => {
      if (event.target === event.currentTarget) (event.currentTarget as HTMLDialogElement).close();
    }}>
      <div class="dialog-head">
        <h2 id="settings-title">${t.settings}</h2>
        <button type="button" class="icon-button" aria-label=${t.close} @click=${this.#closeSettings}>${icons.close}</button>
      </div>
      <div class="dialog-body">
        <siegel-devices .media=${this.media} @device-problem=${(event: CustomEvent<{ what: string; problem: MediaProblem }>) => this.#problem(event.detail.what === 'camera' ? t.problemCamera : t.problemMicrophone, event.detail.problem)}></siegel-devices>
        <siegel-background .media=${this.media} @device-problem=${(event: CustomEvent<{ problem: MediaProblem }>) => this.#problem(t.problemCamera, event.detail.problem)}></siegel-background>
        <siegel-noise .media=${this.media} @device-problem=${(event: CustomEvent<{ problem: MediaProblem }>) => this.#problem(t.problemMicrophone, event.detail.problem)}></siegel-noise>
        <div class="field"><span class="label">${t.language}</span><siegel-language></siegel-language></div>
        <button type="button" class="button narrow-only" @click=${() => {
          this.#toggleHand();
          this.#closeSettings();
        }}>${icons.hand}${room.handRaised ? t.lowerHand : t.raiseHand}</button>
        ${
          room.chat && canShare
            ? html`<button type="button" class="button narrow-only" @click=${() => {
                this.#closeSettings();
                void this.#toggleShare();
              }}>${icons.screen}${this.media.screenVideo ? t.stopShare : t.share}</button>`
            : nothing
        }
        ${room.reactions ? html`<div class="more-reactions narrow-only" role="group" aria-label=${t.react}>${this.#reactionButtons(this.#closeSettings)}</div>` : nothing}
        ${this.#verifying()}
        <slot name="settings"></slot>
        <h3>${t.shortcuts}</h3>
        <dl class="keys">
          <dt>${ctrl} <kbd>D</kbd></dt><dd>${t.shortcutMute}</dd>
          <dt>${ctrl} <kbd>E</kbd></dt><dd>${t.shortcutCamera}</dd>
          <dt>${ctrl} <kbd>${t.keyShift}</kbd> <kbd>H</kbd></dt><dd>${t.shortcutHand}</dd>
          <dt><kbd>${t.keySpace}</kbd></dt><dd>${t.shortcutTalk}</dd>
          <dt>${ctrl} <kbd>/</kbd></dt><dd>${t.shortcutList}</dd>
        </dl>
      </div>
    </dialog>`;
  }

  #verifying() {
    const { t } = this;
    if (this.verifies === undefined || this.verifies === 'codes') return nothing;
    return html`<div class="field"><span class="label">${t.verify.security}</span>${
      this.verifies === 'client'
        ? html`<p class="quiet small">${t.verify.inClient}</p>`
        : html`<button type="button" class="button" @click=${() => {
            this.#closeSettings();
            this.announce('verify-device');
          }}>${this.ownDevice === 'verified' ? icons.shieldGreen : icons.shieldAmber}${this.ownNotice ? t.verify.device : t.verify.own[this.ownDevice]}</button>`
    }</div>`;
  }

  #reactionButtons(after: () => void) {
    return this.room.reactions?.map(
      (emoji) =>
        html`<button type="button" aria-label=${this.t.reactWith(emoji)} @click=${() => {
          this.room.react?.(emoji);
          after();
        }}>${emoji}</button>`,
    );
  }

  readonly #toggleReacting = (): void => {
    this.reacting = !this.reacting;
  };

  readonly #toggleChat = (): void => {
    this.chatOpen = !this.chatOpen;
    if (this.chatOpen) this.#toasts?.dismiss('chat');
    if (!this.chatOpen) this.renderRoot.querySelector<HTMLButtonElement>('footer .open-chat')?.focus();
  };

  get #settingsDialog(): HTMLDialogElement | null {
    return this.renderRoot.querySelector<HTMLDialogElement>('#settings');
  }

  readonly #openSettings = (): void => {
    void this.media.refreshDevices();
    if (!this.#settingsDialog?.open) this.#settingsDialog?.showModal();
  };

  readonly #closeSettings = (): void => this.#settingsDialog?.close();

  readonly #toggleMicrophone = async (): Promise<void> => {
    const { media, t } = this;
    if (media.microphone) {
      media.setMuted(!media.muted);
    } else {
      media.setMuted(false);
      const problem = await media.openMicrophone();
      if (problem) return this.#problem(t.problemMicrophone, problem);
    }
    this.#toast(media.talking ? t.toastUnmuted : t.toastMuted);
  };

  readonly #toggleCamera = async (): Promise<void> => {
    const { media, t } = this;
    if (media.camera) {
      media.closeCamera();
      return this.#toast(t.toastCameraOff);
    }
    const problem = await media.openCamera();
    if (problem) return this.#problem(t.problemCamera, problem);
    this.#toast(t.toastCameraOn);
  };

  readonly #toggleShare = async (): Promise<void> => {
    const { media, t } = this;
    if (media.screenVideo) {
      media.stopSharing();
      return this.#toast(t.toastShareEnded);
    }
    const problem = await media.shareScreen();
    if (problem === 'cancelled') return;
    if (problem) return this.#problem(t.problemScreen, problem);
    this.#toast(t.toastSharing);
  };

  readonly #toggleHand = (): void => this.room.raiseHand(!this.room.handRaised);

  readonly #copyLink = async (): Promise<void> => {
    const link = this.link();
    try {
      await navigator.clipboard.writeText(link);
      this.linkShown = '';
      this.#toast(this.linkTexts?.copied ?? (this.openLink ? this.t.linkCopied : this.t.linkCopiedRoom));
    } catch {
      this.linkShown = link;
    }
  };

  #problem(device: string, problem: MediaProblem): void {
    this.#toast(`${device}: ${this.t.problem[problem]}`, 'bad');
  }

  /** A line from whoever embeds this. */
  say(text: string, tone: 'info' | 'bad' = 'info'): void {
    this.#toast(text, tone);
  }

  #toast(text: string, tone: 'info' | 'bad' = 'info', about = ''): void {
    this.#toasts?.show(text, tone, about);
  }

  get #toasts(): SiegelToasts | null {
    return this.renderRoot.querySelector<SiegelToasts>('siegel-toasts');
  }

  // Keyboard: only with Ctrl or Cmd, and Space outside of controls, so that nothing is triggered by typing ------------

  readonly #onKeyDown = (event: KeyboardEvent): void => {
    if (event.repeat || event.altKey) return;
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      const actions: Record<string, (() => void) | undefined> = event.shiftKey
        ? { h: this.#toggleHand }
        : { d: this.#toggleMicrophone, e: this.#toggleCamera, '/': this.#openSettings };
      const action = Object.hasOwn(actions, key) ? actions[key] : undefined;
      if (!action) return;
      event.preventDefault();
      action();
      return;
    }
    const target = event.composedPath()[0];
    const inControl = target instanceof Element && target.closest('button, input, select, dialog, a') !== null;
    if (event.code === 'Space' && !inControl && this.media.microphone && this.media.muted) {
      event.preventDefault();
      this.#talkKey = true;
      this.media.setMuted(false);
    }
  };

  readonly #onKeyUp = (event: KeyboardEvent): void => {
    if (event.code !== 'Space' || !this.#talkKey) return;
    this.#talkKey = false;
    this.media.setMuted(true);
  };

  // What the room tells -----------------------------------------------------------------------------------------------

  #onChange(): void {
    this.#version++;
    const { room, t } = this;
    if (room.phase !== this.#phase) {
      if (room.phase === 'away') this.#toast(t.toastAway, 'bad');
      else if (room.phase === 'reconnecting') this.#toast(t.toastReconnecting, 'bad');
      else if ((this.#phase === 'away' || this.#phase === 'reconnecting') && room.phase === 'joined')
        this.#toast(t.toastBack);
      this.#phase = room.phase;
    }
    for (const member of room.members) {
      const name = member.name || t.someone;
      if (member.state?.hand && !this.#raised.has(member.id)) this.#toast(t.toastHand(name));
      if (member.state?.hand) this.#raised.add(member.id);
      else this.#raised.delete(member.id);
      if (member.state?.screen && !this.#sharing.has(member.id)) this.#toast(t.toastShares(name));
      if (member.state?.screen) this.#sharing.add(member.id);
      else this.#sharing.delete(member.id);
      // A badge that turns red is said aloud once.
      const { level, cause } = member.badge;
      if (level === 'red' && this.#badges.get(member.id) !== cause && !kSaidOtherwise.has(cause))
        this.#toast(t.badgeTurned(name, t.badge[cause][0] ?? ''), 'bad');
      this.#badges.set(member.id, level === 'red' ? cause : '');
    }
    this.requestUpdate();
  }

  override updated(): void {
    const sink = this.media.chosen('audiooutput');
    for (const element of this.renderRoot.querySelectorAll('audio')) {
      if (sink !== '' && 'setSinkId' in element && element.sinkId !== sink)
        void element.setSinkId(sink).catch(() => {});
      if (element.paused && !element.hasAttribute('data-tried')) {
        element.setAttribute('data-tried', '');
        element.play().catch((error: unknown) => {
          if (error instanceof DOMException && error.name === 'NotAllowedError') this.soundBlocked = true;
        });
      }
    }
  }

  readonly #playAll = (): void => {
    this.soundBlocked = false;
    for (const element of this.renderRoot.querySelectorAll('audio')) void element.play().catch(() => {});
  };

  #listen(): void {
    const streams = new Map<string, MediaStream>();
    for (const member of this.room.members) {
      const stream = member.streams.get('audio');
      if (stream && member.connected) streams.set(member.id, stream);
    }
    // The engine says who speaks better than loudness does.
    const heard = this.media.speaking;
    if (this.media.microphoneStream && heard === undefined) streams.set('self', this.media.microphoneStream);
    for (const [id, meter] of this.#meters) {
      if (streams.get(id) === meter.stream) continue;
      meter.close();
      this.#meters.delete(id);
    }
    for (const [id, stream] of streams) if (!this.#meters.has(id)) this.#meters.set(id, new LevelMeter(stream));
    const speaking = new Set<string>();
    for (const [id, meter] of this.#meters) if (meter.level() > kSpeakingLevel) speaking.add(id);
    if (heard && this.media.talking) speaking.add('self');
    if (speaking.size !== this.speaking.size || [...speaking].some((id) => !this.speaking.has(id)))
      this.speaking = speaking;
  }

  /** A phone must not fall asleep in a call. */
  readonly #stayAwake = async (): Promise<void> => {
    if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
    this.#wakeLock = await navigator.wakeLock.request('screen').catch(() => undefined);
  };
}
define('siegel-call', SiegelCall);
