/**
 * <siegel-matrix-app>: from signing in to the goodbye, for calls in Matrix rooms. The same lobby, tiles and badges as a call
 * by link; what differs is behind MatrixBackend. As a widget of another client it starts at the lobby.
 */
import { css, html, nothing, type PropertyValues } from 'lit';
import { LocalMedia, type LocalMediaOptions, type Warning } from '../call';
import { missingFeature } from '../media/features';
import type { EngineInfo, MediaFailure } from '../media/types';
import './call';
import { define, SiegelElement } from './element';
import { language } from './i18n';
import { icons } from './icons';
import './lobby';
import type {
  CallMode,
  MatrixAccount,
  MatrixBackend,
  MatrixCall,
  MatrixProblem,
  MatrixTarget,
  RoomSummary,
  VideoCodec,
} from '../matrix/types';
import './matrix_rooms';
import './matrix_sign_in';
import { problemOf, type SigningIn } from './matrix_sign_in';
import './notice';
import type { NoticeAction } from './notice';
import { focusHeading, shellHead, shellStyles } from './shell';
import { sharedStyles } from './styles';
import './verification_dialog';
import type { SiegelVerification } from './verification_dialog';
import './verify_device';

type View =
  | 'starting'
  | 'sign-in'
  | 'verify'
  | 'rooms'
  | 'clear-room'
  | 'lobby'
  | 'call'
  | 'left'
  | 'replaced'
  | 'failed';

export class SiegelMatrixApp extends SiegelElement {
  static override properties = {
    view: { state: true },
    engine: { state: true },
    problem: { state: true },
    signingIn: { state: true },
  };
  /** REQUIRED before the element is connected. */
  backend!: MatrixBackend;
  /** Of devices and noise suppression. */
  mediaOptions: LocalMediaOptions = {};
  /** What the address bar asked for. */
  target: MatrixTarget | undefined;
  /** How this page announces people in calls; undefined: as Element Call does by default. */
  mode: CallMode | undefined;
  declare view: View;
  declare engine: EngineInfo | undefined;
  declare problem: MatrixProblem | undefined;
  declare signingIn: SigningIn;
  #failure: MediaFailure | 'insecure' | 'internal' = 'internal';
  #account: MatrixAccount | undefined;
  #room: RoomSummary | undefined;
  /** Homeserver that the link named. */
  #server: string | undefined;
  #media: LocalMedia | undefined;
  #call: MatrixCall | undefined;
  #joined = false;
  #allowClear = false;
  #stop: Array<() => void> = [];
  /** The same one for as long as it holds. */
  #unverified: Warning | undefined;
  #verified: (() => void) | undefined;

  static override styles = [
    sharedStyles,
    shellStyles,
    css`
      .wait {
        display: grid;
        place-content: center;
        justify-items: center;
        gap: 0.8rem;
        padding: 2rem 1.25rem 6rem;
        text-align: center;
      }
      .wait p {
        max-width: 26rem;
      }
      .turning {
        width: 40px;
        height: 40px;
        border-width: 4px;
      }
      .above {
        display: grid;
        width: min(68rem, 100%);
        margin-inline: auto;
        padding-inline: clamp(0.9rem, 4vw, 2rem);
        justify-items: start;
        gap: 0.6rem;
      }
      .above > div {
        width: 100%;
      }
    `,
  ];

  constructor() {
    super();
    this.view = 'starting';
    this.engine = undefined;
    this.problem = undefined;
    this.signingIn = undefined;
    this.addEventListener('account', (event) => void this.#onAccount((event as CustomEvent<MatrixAccount>).detail));
    this.addEventListener('signing-in', (event) => {
      this.signingIn = (event as CustomEvent<SigningIn>).detail;
    });
    this.addEventListener('room', (event) => this.#toRoom((event as CustomEvent<RoomSummary>).detail));
    this.addEventListener('sign-out', () => void this.#signOut());
    this.addEventListener('verify-device', () => this.#dialog?.openDevice());
    this.addEventListener('verify-member', (event) => {
      const { member, name } = (event as CustomEvent<{ member: string; name: string }>).detail;
      void this.#dialog?.openMember(member, name);
    });
    this.addEventListener('verified-enough', () => this.#verified?.());
    this.addEventListener('join', () => void this.#join());
    this.addEventListener('codec', (event) => {
      if (this.#call) this.#call.codec = (event as CustomEvent<VideoCodec>).detail;
    });
    this.addEventListener('leave', () => void this.#leave());
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener('pagehide', this.#onPageHide);
    window.addEventListener('pageshow', this.#onPageShow);
    void this.#start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener('pagehide', this.#onPageHide);
    window.removeEventListener('pageshow', this.#onPageShow);
  }

  override willUpdate(): void {
    document.documentElement.lang = language();
    document.title = this.#room && this.view === 'call' ? `${this.#room.name} · ${this.t.appName}` : this.t.appName;
  }

  override updated(changed: PropertyValues<this>): void {
    const before = changed.get('view');
    if (before !== undefined && before !== 'starting') void focusHeading(this);
  }

  override render() {
    const call = this.#call;
    if (this.view === 'call' && call && this.#media) {
      return html`<siegel-call .room=${call} .media=${this.#media} .engine=${this.engine} .link=${() => call.link} .openLink=${false} .verifies=${this.#account?.verification ? 'here' : 'client'} .ownDevice=${this.#account?.verification?.own ?? 'unknown'} .ownNotice=${this.#ownNotice}></siegel-call>
        ${call.phase === 'failed' ? html`<div class="over">${this.#failed(true)}</div>` : nothing} ${this.#verification()}`;
    }
    return html`<div class="page">
      ${shellHead(this.t.appName)}
      ${this.#content()}
    </div>
    ${this.#verification()}`;
  }

  #verification() {
    const { verification, userId } = this.#account ?? {};
    if (!verification) return nothing;
    return html`<siegel-verification .verification=${verification} .address=${userId} ?elsewhere=${this.view === 'verify'}></siegel-verification>`;
  }

  get #dialog(): SiegelVerification | null {
    return this.renderRoot.querySelector('siegel-verification');
  }

  /** Among the notices of a call: what the others see at this person's picture. */
  get #ownNotice(): Warning | undefined {
    const own = this.#account?.verification?.own;
    if (own !== 'unverified' && own !== 'no-identity') {
      this.#unverified = undefined;
      return undefined;
    }
    this.#unverified ??= { id: 'own-device', kind: 'own-device', name: '', at: Date.now() };
    return this.#unverified;
  }

  #content() {
    const { t } = this;
    switch (this.view) {
      case 'starting':
        return this.#wait();
      case 'sign-in':
        // The form stays while it waits, so that what was typed is there after an error.
        return html`<siegel-matrix-sign-in .backend=${this.backend} .target=${this.target} .problem=${this.problem} ?hidden=${this.signingIn !== undefined}></siegel-matrix-sign-in>
          ${this.signingIn === undefined ? nothing : this.signingIn === 'here' ? this.#wait() : this.#leaving(this.signingIn.awayFrom)}`;
      case 'verify':
        return html`<siegel-verify-device step .verification=${this.#account?.verification} .address=${this.#account?.userId}></siegel-verify-device>`;
      case 'rooms':
        return html`<siegel-matrix-rooms .account=${this.#account} .problem=${this.problem}></siegel-matrix-rooms>`;
      case 'clear-room':
        return this.#notice('clear-room', t.matrix.clearTitle, t.matrix.clearText, icons.shieldRed, 'bad', [
          ...this.#toRoomsAction(true),
          {
            text: t.matrix.clearJoin,
            run: () => {
              this.#allowClear = true;
              this.#toLobby();
            },
          },
        ]);
      case 'failed':
        return this.#failed(false);
      case 'left':
        return this.#notice('left', t.leftTitle, t.matrix.leftText, icons.door, 'info', [
          { text: t.rejoin, primary: true, run: () => this.#toLobby() },
          ...this.#toRoomsAction(),
        ]);
      case 'replaced':
        return this.#notice('replaced', t.replacedTitle, t.replacedText, icons.tabs, 'info', [
          { text: t.rejoin, primary: true, run: () => this.#toLobby() },
          ...this.#toRoomsAction(),
        ]);
      default: {
        const call = this.#call;
        if (call?.phase === 'unreachable')
          return this.#notice('unreachable', t.unreachableTitle, t.unreachableText, icons.plug, 'bad', [
            { text: t.tryAgain, primary: true, run: () => call.retryNow() },
            { text: t.cancel, run: () => void this.#again() },
          ]);
        if (call?.phase === 'refused')
          return this.#notice(
            call.problem ?? 'internal',
            t.badMessageTitle,
            t.matrixProblem[call.problem ?? 'internal'],
            icons.plug,
            'bad',
            [{ text: t.tryAgain, primary: true, run: () => void this.#again() }, ...this.#toRoomsAction()],
          );
        return html`<div>
          <div class="above">
            ${this.backend.widget ? nothing : html`<button type="button" class="button plain" @click=${() => void this.#toRooms()}>${icons.people}${t.matrix.back}</button>`}
          </div>
          <siegel-lobby .media=${this.#media} .about=${t.matrix.lobbyText(this.#room?.name ?? '')} nameless .codecs=${call?.codecs ?? []} .codec=${call?.codec ?? 'vp8'} ?engineReady=${this.engine !== undefined} ?joining=${this.#joined}></siegel-lobby>
        </div>`;
      }
    }
  }

  #wait() {
    const { t } = this;
    return html`<main class="wait" aria-busy="true">
      <div class="turning" aria-hidden="true"></div>
      <p role="status">${t.matrix.starting}</p>
      <p class="quiet small">${t.matrix.startingHint}</p>
    </main>`;
  }

  /** On the way to an identity provider. The browser shows nothing while a server is slow to answer. */
  #leaving(server: string) {
    const { t } = this;
    return html`<div class="wait" data-leaving>
      <div class="turning" aria-hidden="true"></div>
      <div role="status">
        <p>${t.matrix.leaving(server)}</p>
        <p class="quiet small">${t.matrix.leavingHint}</p>
      </div>
      <button type="button" class="button" @click=${() => location.reload()}>${t.cancel}</button>
    </div>`;
  }

  #failed(inCall: boolean) {
    const { t } = this;
    const [title = '', text = ''] = t.fail[this.#failure];
    const lasting = ['no-webrtc', 'no-encoded-transform', 'no-wasm', 'no-simd', 'insecure'].includes(this.#failure);
    const actions: NoticeAction[] = [];
    if (inCall)
      actions.push(
        { text: t.rejoin, primary: true, run: () => void this.#rejoinNow() },
        { text: t.leave, run: () => void this.#leave() },
      );
    else if (!lasting && this.#account)
      actions.push({ text: t.tryAgain, primary: true, run: () => this.#toLobby() }, ...this.#toRoomsAction());
    return this.#notice(this.#failure, title, text, icons.shieldRed, 'bad', actions);
  }

  #notice(kind: string, heading: string, text: string, icon: unknown, tone: 'info' | 'bad', actions: NoticeAction[]) {
    return html`<siegel-notice role=${this.view === 'call' ? 'alertdialog' : 'main'} aria-label=${heading} .kind=${kind} .heading=${heading} .text=${text} .icon=${icon} .tone=${tone} .actions=${actions}></siegel-notice>`;
  }

  /** A widget has one room only. */
  #toRoomsAction(primary = false): NoticeAction[] {
    return this.backend.widget
      ? []
      : [{ text: this.t.matrix.back, ...(primary ? { primary } : {}), run: () => void this.#toRooms() }];
  }

  // Steps -------------------------------------------------------------------------------------------------------------

  async #start(): Promise<void> {
    const missing = globalThis.isSecureContext ? missingFeature() : 'insecure';
    if (missing) {
      this.#failure = missing;
      this.view = 'failed';
      return;
    }
    try {
      const found = await this.backend.resume();
      if (found) {
        this.target = found.target ?? this.target;
        await this.#onAccount(found.account, found);
        return;
      }
    } catch (error) {
      this.problem = problemOf(error, this.t.matrixProblem);
    }
    this.view = 'sign-in';
  }

  /** `problem`: to be read before anything else; the rooms show it. */
  async #onAccount(
    account: MatrixAccount,
    { problem: notice, kept = false }: { problem?: MatrixProblem; kept?: boolean } = {},
  ): Promise<void> {
    this.#account = account;
    this.problem = notice;
    this.#server = this.target?.server;
    this.#stop.push(account.on('ended', (problem) => void this.#onEnded(problem)));
    if (account.verification) {
      this.#stop.push(account.verification.on('change', () => this.requestUpdate()));
      if (!kept && !(await this.#offerVerification(account))) return;
    }
    const target = this.target;
    this.target = undefined;
    if (target && !notice) {
      this.view = 'starting';
      try {
        this.#toRoom(await account.enter(target));
        return;
      } catch (error) {
        this.problem = problemOf(error, this.t.matrixProblem);
      }
    }
    this.view = 'rooms';
  }

  /** A step that can be skipped. False: signed out meanwhile. */
  async #offerVerification(account: MatrixAccount): Promise<boolean> {
    const { verification } = account;
    this.view = 'starting';
    await verification?.ready;
    if (this.#account !== account) return false;
    if (verification?.own !== 'unverified' && verification?.own !== 'no-identity') return true;
    const over = new Promise<void>((resolve) => {
      this.#verified = resolve;
    });
    this.view = 'verify';
    await over;
    this.#verified = undefined;
    return this.#account === account;
  }

  async #onEnded(problem: MatrixProblem | undefined): Promise<void> {
    await this.#dropCall(false);
    for (const stop of this.#stop.splice(0)) stop();
    // Whoever was put out of a call wants to go back there.
    if (problem && this.#room) this.target = { room: this.#room.id, ...(this.#server ? { server: this.#server } : {}) };
    this.#account = undefined;
    this.#verified?.();
    this.#room = undefined;
    this.problem = problem;
    this.view = 'sign-in';
  }

  async #signOut(): Promise<void> {
    const account = this.#account;
    await this.#onEnded(undefined);
    await account?.signOut().catch(() => {});
  }

  #toRoom(room: RoomSummary): void {
    this.#room = room;
    this.#allowClear = false;
    this.problem = undefined;
    if (room.encrypted) this.#toLobby();
    else this.view = 'clear-room';
  }

  #toLobby(): void {
    if (!this.#account || !this.#room) return;
    this.#media ??= new LocalMedia(this.mediaOptions);
    this.#newCall();
    this.view = 'lobby';
  }

  /** The engine starts in the lobby, so that what is missing shows before anybody turns on a camera. It has no key yet. */
  #newCall(): void {
    if (!this.#account || !this.#room || !this.#media) return;
    this.engine = undefined;
    this.#joined = false;
    const call = this.#account.call(this.#room.id, {
      media: this.#media,
      allowUnencryptedRoom: this.#allowClear,
      ...(this.mode ? { mode: this.mode } : {}),
    });
    this.#call = call;
    call.on('change', () => this.#onCall(call));
    call.ready.then(
      (engine) => {
        if (this.#call === call) this.engine = engine;
      },
      (error: unknown) => {
        if (this.#call === call && !this.#joined) this.#fail((error as { reason?: string } | null)?.reason);
      },
    );
  }

  #fail(reason: string | undefined): void {
    this.#failure = reason !== undefined && reason in this.t.fail ? (reason as MediaFailure) : 'internal';
    if (this.view === 'call') {
      this.requestUpdate();
      return;
    }
    void this.#dropCall(false);
    this.view = 'failed';
  }

  async #join(): Promise<void> {
    if (!this.#call || this.#joined) return;
    this.#joined = true;
    this.requestUpdate();
    await this.#call.join();
  }

  #onCall(call: MatrixCall): void {
    if (call !== this.#call) return;
    if ((call.phase === 'joined' || call.phase === 'away') && this.view === 'lobby') this.view = 'call';
    else if (call.phase === 'failed') this.#fail(call.failure);
    else if (call.phase === 'refused' && this.view === 'call') this.view = 'lobby';
    else if (call.phase === 'replaced') void this.#leave('replaced');
    else if (call.phase === 'left' && this.view === 'call') void this.#leave();
    this.requestUpdate();
  }

  async #dropCall(keepMedia: boolean): Promise<void> {
    const call = this.#call;
    this.#call = undefined;
    this.#joined = false;
    if (!keepMedia) {
      this.#media?.close();
      this.#media = undefined;
    }
    await call?.leave({ keepMedia });
  }

  async #leave(to: 'left' | 'replaced' = 'left'): Promise<void> {
    this.view = to;
    await this.#dropCall(false);
  }

  /** Back to the lobby with what is still open. */
  async #again(): Promise<void> {
    await this.#dropCall(true);
    this.#toLobby();
  }

  async #rejoinNow(): Promise<void> {
    await this.#dropCall(true);
    this.#toLobby();
    await this.#join();
  }

  async #toRooms(): Promise<void> {
    this.#room = undefined;
    this.problem = undefined;
    this.view = 'rooms';
    await this.#dropCall(false);
  }

  readonly #onPageHide = (): void => void this.#call?.leave();

  /** Out of the browser's back-forward cache: what was left is gone, so begin anew. */
  readonly #onPageShow = (event: PageTransitionEvent): void => {
    if (event.persisted) location.reload();
  };
}
define('siegel-matrix-app', SiegelMatrixApp);
