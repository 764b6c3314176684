/**
 * <siegel-call-app>: from the link to the goodbye. Holds the invitation (memory only), the devices, the cipher and the
 * room, and decides which screen is shown. The page hands it what it found in the address bar and how to make a cipher.
 */
import { html, nothing, type PropertyValues } from 'lit';
import { LocalMedia, type LocalMediaOptions } from '../call';
import type { Invitation, LinkProblem } from '../keys';
import { ClientId, LocalRoom, type RoomFailure } from '../local';
import { missingFeature } from '../media/features';
import type { EngineInfo, MediaCipherApi } from '../media/types';
import './call';
import { define, SiegelElement } from './element';
import { language } from './i18n';
import { icons } from './icons';
import './lobby';
import './notice';
import type { NoticeAction } from './notice';
import './start_page';
import { focusHeading, shellHead, shellStyles } from './shell';
import { sharedStyles } from './styles';

type View = 'start' | 'link-problem' | 'lobby' | 'call' | 'failed' | 'left';

/** How long the secret of a call that was left is kept for joining again. */
const kRejoinMs = 60_000;

export class SiegelCallApp extends SiegelElement {
  static override properties = {
    view: { state: true },
    engine: { state: true },
    failure: { state: true },
  };
  /** REQUIRED before the element is connected. */
  createCipher!: () => MediaCipherApi;
  signalUrl = '';
  /** Of devices and noise suppression. */
  mediaOptions: LocalMediaOptions = {};
  declare view: View;
  declare engine: EngineInfo | undefined;
  declare failure: RoomFailure | undefined;
  #linkProblem: LinkProblem | undefined;
  #invitation: Invitation | undefined;
  #fresh = false;
  #media: LocalMedia | undefined;
  #cipher: MediaCipherApi | undefined;
  #room: LocalRoom | undefined;
  #name = '';
  readonly #client = new ClientId();
  #rejoinTimer: ReturnType<typeof setTimeout> | undefined;

  static override styles = [sharedStyles, shellStyles];

  constructor() {
    super();
    this.view = 'start';
    this.engine = undefined;
    this.failure = undefined;
    this.addEventListener('invitation', (event) => {
      const { invitation, fresh } = (event as CustomEvent<{ invitation: Invitation; fresh: boolean }>).detail;
      // The address shows the room, never the secret.
      history.pushState(null, '', `/call/${invitation.room}`);
      this.open(invitation, fresh);
    });
    this.addEventListener('join', (event) => void this.#join((event as CustomEvent<{ name: string }>).detail.name));
    this.addEventListener('leave', () => void this.#leave());
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener('pagehide', this.#onPageHide);
    window.addEventListener('pageshow', this.#onPageShow);
    window.addEventListener('popstate', this.#onBack);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener('pagehide', this.#onPageHide);
    window.removeEventListener('pageshow', this.#onPageShow);
    window.removeEventListener('popstate', this.#onBack);
  }

  /** What the address bar held: an invitation, or why there is none. */
  open(link: Invitation | LinkProblem, fresh = false): void {
    if (typeof link === 'string') {
      this.#linkProblem = link;
      this.view = link === 'no-room' ? 'start' : 'link-problem';
      return;
    }
    this.#invitation?.wipe();
    this.#invitation = link;
    this.#fresh = fresh;
    this.#toLobby();
  }

  override willUpdate(): void {
    document.documentElement.lang = language();
    document.title = this.view === 'call' ? `${this.t.call} · ${this.t.appName}` : this.t.appName;
  }

  override updated(changed: PropertyValues<this>): void {
    const before = changed.get('view');
    if (before !== undefined && this.hasUpdated) void focusHeading(this);
  }

  override render() {
    const room = this.#room;
    if (this.view === 'call' && room && this.#media) {
      return html`<siegel-call .room=${room} .media=${this.#media} .engine=${this.engine} .link=${this.#link}></siegel-call>
        ${room.phase === 'failed' ? html`<div class="over">${this.#failed(room.failure ?? 'internal', true)}</div>` : nothing}`;
    }
    return html`<div class="page">
      ${shellHead(this.t.appName)}
      ${this.#content()}
    </div>`;
  }

  #content() {
    const { t } = this;
    const room = this.#room;
    switch (this.view) {
      case 'start':
        return html`<siegel-start></siegel-start>`;
      case 'link-problem': {
        const problem = this.#linkProblem ?? 'bad-secret';
        return this.#notice(
          `link-${problem}`,
          t.linkProblemTitle,
          t.linkProblem[problem],
          icons.link,
          'bad',
          [this.#startOver(true)],
          problem === 'no-secret' ? t.linkReloaded : '',
        );
      }
      case 'failed':
        return this.#failed(this.failure ?? 'internal', false);
      case 'left':
        return this.#notice(
          'left',
          t.leftTitle,
          t.leftText,
          icons.door,
          'info',
          this.#invitation
            ? [{ text: t.rejoin, primary: true, run: () => this.#toLobby() }, this.#startOver()]
            : [this.#startOver(true)],
          this.#invitation ? t.rejoinHint : '',
        );
      default:
        if (room?.phase === 'refused') return this.#refused(room);
        if (room?.phase === 'replaced')
          return this.#notice('replaced', t.replacedTitle, t.replacedText, icons.tabs, 'info', [this.#startOver(true)]);
        if (room?.phase === 'unreachable')
          return this.#notice('unreachable', t.unreachableTitle, t.unreachableText, icons.plug, 'bad', [
            { text: t.tryAgain, primary: true, run: () => room.retryNow() },
            { text: t.cancel, run: () => void this.#again() },
          ]);
        return html`<siegel-lobby .media=${this.#media} .name=${this.#name} ?fresh=${this.#fresh} ?engineReady=${this.engine !== undefined} ?joining=${room !== undefined}></siegel-lobby>`;
    }
  }

  #refused(room: LocalRoom) {
    const { t } = this;
    const back: NoticeAction = { text: t.tryAgain, primary: true, run: () => void this.#again() };
    switch (room.refusal) {
      case 'full':
        return this.#notice('full', t.fullTitle, t.fullText(room.maxMembers), icons.people, 'info', [
          back,
          this.#startOver(),
        ]);
      case 'duplicate':
        return this.#notice('duplicate', t.duplicateTitle, t.duplicateText, icons.tabs, 'info', [
          { text: t.takeOver, primary: true, run: () => room.takeOver() },
          { text: t.cancel, run: () => void this.#again() },
        ]);
      case 'busy':
      case 'rate':
        return this.#notice('busy', t.busyTitle, t.busyText, icons.plug, 'info', [back, this.#startOver()]);
      default:
        return this.#notice('bad-message', t.badMessageTitle, t.badMessageText, icons.plug, 'bad', [
          back,
          this.#startOver(),
        ]);
    }
  }

  #failed(failure: RoomFailure, inCall: boolean) {
    const { t } = this;
    const [title = '', text = ''] = t.fail[failure];
    // What only another browser or address can mend offers no second try.
    const lasting = ['no-webrtc', 'no-encoded-transform', 'no-wasm', 'no-simd', 'no-x25519', 'insecure'].includes(
      failure,
    );
    const actions: NoticeAction[] = [];
    if (inCall)
      actions.push(
        { text: t.rejoin, primary: true, run: () => void this.#rejoinNow() },
        { text: t.leave, run: () => void this.#leave() },
      );
    else {
      if (!lasting) actions.push({ text: t.tryAgain, primary: true, run: () => void this.#again() });
      actions.push(this.#startOver(lasting));
    }
    return this.#notice(failure, title, text, icons.shieldRed, 'bad', actions);
  }

  #notice(
    kind: string,
    heading: string,
    text: string,
    icon: unknown,
    tone: 'info' | 'bad',
    actions: NoticeAction[],
    hint = '',
  ) {
    return html`<siegel-notice role=${this.view === 'call' ? 'alertdialog' : 'main'} aria-label=${heading} .kind=${kind} .heading=${heading} .text=${text} .icon=${icon} .tone=${tone} .actions=${actions} .hint=${hint}></siegel-notice>`;
  }

  #startOver(primary = false): NoticeAction {
    return { text: this.t.startOver, primary, run: () => void this.#toStart() };
  }

  readonly #link = (): string => this.#invitation?.toLink(location.origin) ?? '';

  // Steps -------------------------------------------------------------------------------------------------------------

  #toLobby(): void {
    clearTimeout(this.#rejoinTimer);
    this.failure = globalThis.isSecureContext ? missingFeature() : 'insecure';
    if (this.failure) {
      this.view = 'failed';
      return;
    }
    this.#media ??= new LocalMedia(this.mediaOptions);
    this.#newCipher();
    this.view = 'lobby';
  }

  /** The engine starts in the lobby, so that what is missing shows before anybody turns on a camera. It has no key yet. */
  #newCipher(): void {
    this.engine = undefined;
    let cipher: MediaCipherApi;
    try {
      cipher = this.createCipher();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#cipher = cipher;
    cipher.ready.then(
      (engine) => {
        if (this.#cipher === cipher) this.engine = engine;
      },
      (error: unknown) => {
        if (this.#cipher === cipher && this.view === 'lobby' && !this.#room) this.#fail(error);
      },
    );
  }

  #fail(error: unknown): void {
    const reason = (error as { reason?: RoomFailure } | null)?.reason;
    this.failure = reason !== undefined && reason in this.t.fail ? reason : 'internal';
    this.view = 'failed';
    // Nobody can join from here: let go of the devices.
    this.#media?.close();
    this.#media = undefined;
  }

  async #join(name: string): Promise<void> {
    if (!this.#invitation || !this.#media || !this.#cipher || this.#room) return;
    this.#name = name;
    const room = new LocalRoom({
      invitation: this.#invitation,
      cipher: this.#cipher,
      media: this.#media,
      name,
      signalUrl: this.signalUrl,
      client: await this.#client.get(),
    });
    if (this.#room) return;
    this.#room = room;
    room.on('change', () => this.#onRoom(room));
    this.requestUpdate();
    await room.join();
  }

  #onRoom(room: LocalRoom): void {
    if (room !== this.#room) return;
    if (room.phase === 'joined' && this.view !== 'call') this.view = 'call';
    else if (room.phase === 'failed' && this.view !== 'call') {
      const failure = room.failure;
      this.#room = undefined;
      void room.leave({ keepMedia: true });
      this.#fail({ reason: failure });
    } else if ((room.phase === 'replaced' || room.phase === 'refused') && this.view === 'call') this.view = 'lobby';
    this.requestUpdate();
  }

  async #leave(): Promise<void> {
    const room = this.#room;
    this.#room = undefined;
    this.#cipher = undefined;
    this.#media = undefined;
    this.view = 'left';
    // For joining again; a page that stays open must not keep it for ever.
    clearTimeout(this.#rejoinTimer);
    this.#rejoinTimer = setTimeout(() => {
      if (this.view !== 'left') return;
      this.#invitation?.wipe();
      this.#invitation = undefined;
      this.requestUpdate();
    }, kRejoinMs);
    await room?.leave();
  }

  /** Back to the lobby with what is still open. */
  async #again(): Promise<void> {
    const room = this.#room;
    this.#room = undefined;
    await room?.leave({ keepMedia: true });
    if (!room) await this.#cipher?.close().catch(() => {});
    this.#toLobby();
  }

  /** After the engine died: new engine, new keys, same devices and name. */
  async #rejoinNow(): Promise<void> {
    const room = this.#room;
    this.#room = undefined;
    await room?.leave({ keepMedia: true });
    this.#toLobby();
    if (this.view === 'lobby') await this.#join(this.#name);
  }

  async #toStart(): Promise<void> {
    const room = this.#room;
    const cipher = this.#cipher;
    this.#room = undefined;
    this.#cipher = undefined;
    this.#media?.close();
    this.#media = undefined;
    this.#invitation?.wipe();
    this.#invitation = undefined;
    this.#linkProblem = undefined;
    this.view = 'start';
    history.pushState(null, '', '/call/');
    if (room) await room.leave();
    else await cipher?.close().catch(() => {});
  }

  readonly #onPageHide = (): void => {
    void this.#room?.leave();
    this.#invitation?.wipe();
  };

  /** Out of the browser's back-forward cache: what was left is gone, so begin anew. */
  readonly #onPageShow = (event: PageTransitionEvent): void => {
    if (event.persisted) location.reload();
  };

  readonly #onBack = (): void => {
    if (this.view === 'lobby' && !this.#room) void this.#toStart();
  };
}
define('siegel-call-app', SiegelCallApp);
