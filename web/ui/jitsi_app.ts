/**
 * <siegel-jitsi-app>: from the address of a room to the goodbye, for calls in Jitsi conferences. The same lobby, tiles and
 * badges as every other call; what differs is behind JitsiBackend.
 */
import { css, html, nothing, type PropertyValues } from 'lit';
import { LocalMedia, type LocalMediaOptions } from '../call';
import type { JitsiAddress, JitsiBackend, JitsiCall, JitsiCallOptions, JitsiProblem } from '../jitsi/types';
import { missingFeature } from '../media/features';
import type { EngineInfo, MediaFailure } from '../media/types';
import './call';
import type { SiegelCall } from './call';
import { define, SiegelElement } from './element';
import { language } from './i18n';
import { icons } from './icons';
import './jitsi_compare';
import './jitsi_room_panel';
import './lobby';
import './notice';
import type { NoticeAction } from './notice';
import { focusHeading, shellHead, shellStyles } from './shell';
import { sharedStyles } from './styles';

type View = 'starting' | 'address' | 'lobby' | 'call' | 'left' | 'failed';

const problemOf = (error: unknown, texts: Readonly<Record<JitsiProblem, string>>): JitsiProblem => {
  const problem = (error as { problem?: unknown } | null)?.problem;
  return typeof problem === 'string' && Object.hasOwn(texts, problem) ? (problem as JitsiProblem) : 'internal';
};

export class SiegelJitsiApp extends SiegelElement {
  static override properties = {
    view: { state: true },
    engine: { state: true },
    problem: { state: true },
  };
  /** REQUIRED before the element is connected. */
  backend!: JitsiBackend;
  /** Of devices and noise suppression. */
  mediaOptions: LocalMediaOptions = {};
  /** Of the room, as the address bar or an embedding page named it; undefined: the person is asked. */
  address: string | undefined;
  /** Never shown, kept or passed on. */
  token: JitsiCallOptions['token'];
  /** Way to XMPP, for tests. */
  transport: JitsiCallOptions['transport'];
  declare view: View;
  declare engine: EngineInfo | undefined;
  declare problem: JitsiProblem | undefined;
  #failure: MediaFailure | 'insecure' | 'internal' = 'internal';
  #room: JitsiAddress | undefined;
  #media: LocalMedia | undefined;
  #call: JitsiCall | undefined;
  #joined = false;
  /** Kept for another try. */
  #name = '';

  static override styles = [
    sharedStyles,
    shellStyles,
    css`
      .center {
        display: grid;
        place-items: center;
        padding: 1.25rem;
      }
      .ask {
        display: grid;
        gap: 1rem;
        width: min(30rem, 100%);
        padding: clamp(1.25rem, 4vw, 2rem);
      }
      form {
        display: grid;
        gap: 0.9rem;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
      }
      .wait {
        display: flex;
        align-items: center;
        gap: 0.8rem;
      }
    `,
  ];

  constructor() {
    super();
    this.view = 'starting';
    this.engine = undefined;
    this.problem = undefined;
    this.addEventListener('join', (event) => void this.#join((event as CustomEvent<{ name: string }>).detail.name));
    this.addEventListener('leave', () => void this.#leave());
    this.addEventListener('verify-member', (event) => {
      this.#call?.startVerification((event as CustomEvent<{ member: string }>).detail.member);
    });
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener('pagehide', this.#onPageHide);
    window.addEventListener('pageshow', this.#onPageShow);
    this.#start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener('pagehide', this.#onPageHide);
    window.removeEventListener('pageshow', this.#onPageShow);
  }

  override willUpdate(): void {
    document.documentElement.lang = language();
    document.title = this.#room && this.view === 'call' ? `${this.#room.room} · ${this.t.appName}` : this.t.appName;
  }

  override updated(changed: PropertyValues<this>): void {
    const before = changed.get('view');
    if (before !== undefined && before !== 'starting') void focusHeading(this);
    if (this.view !== 'call') return;
    for (const { what, kind, by } of this.#call?.takeNotices() ?? []) {
      this.#siegelCall?.say(this.t.jitsi.notice[what][kind](by), what === 'allowed' ? 'info' : 'bad');
    }
  }

  get #siegelCall(): SiegelCall | null {
    return this.renderRoot.querySelector<SiegelCall>('siegel-call');
  }

  override render() {
    const call = this.#call;
    if (this.view === 'call' && call && this.#media) {
      return html`<siegel-call .room=${call} .media=${this.#media} .engine=${this.engine} .link=${() => this.#invitation} .openLink=${false} .linkTexts=${{ alone: this.t.jitsi.alone, copied: this.t.jitsi.copied }} .verifies=${'codes'}>
          <siegel-jitsi-banners slot="banners" .call=${call}></siegel-jitsi-banners>
          <siegel-jitsi-settings slot="settings" .call=${call}></siegel-jitsi-settings>
        </siegel-call>
        <siegel-jitsi-compare .call=${call}></siegel-jitsi-compare>
        ${call.phase === 'failed' ? html`<div class="over">${this.#failed(true)}</div>` : nothing}`;
    }
    return html`<div class="page">
      ${shellHead(this.t.appName)}
      ${this.#content()}
    </div>`;
  }

  /** For others: never with a token. */
  get #link(): string {
    const room = this.#room;
    return room ? `${room.origin}${room.base}/${encodeURIComponent(room.room)}` : '';
  }

  /** To this page, so that whoever follows it takes part sealed. */
  get #invitation(): string {
    return new URL(`#${this.#link}`, location.href.split('#')[0]).href;
  }

  #content() {
    const { t } = this;
    switch (this.view) {
      case 'starting':
        return nothing;
      case 'address':
        return this.#askAddress();
      case 'failed':
        return this.#failed(false);
      case 'left':
        return this.#notice('left', t.leftTitle, t.jitsi.leftText, icons.door, 'info', [
          { text: t.rejoin, primary: true, run: () => this.#toLobby() },
          { text: t.jitsi.otherRoom, run: () => this.#toAddress() },
        ]);
      default:
        return this.#lobby();
    }
  }

  #lobby() {
    const { t } = this;
    const call = this.#call;
    if (call?.phase === 'refused') {
      const problem = call.problem ?? 'internal';
      return this.#notice(problem, t.badMessageTitle, t.jitsiProblem[problem], icons.plug, 'bad', [
        { text: t.tryAgain, primary: true, run: () => void this.#again() },
        { text: t.jitsi.otherRoom, run: () => this.#toAddress() },
      ]);
    }
    switch (call?.stage) {
      case 'password':
        return this.#askPassword(call);
      case 'knock':
        return this.#notice('knock', t.jitsi.knockTitle, t.jitsi.knockText, icons.door, 'info', [
          { text: t.jitsi.knock, primary: true, run: () => call.knock() },
          { text: t.cancel, run: () => void this.#again() },
        ]);
      case 'waiting':
        return this.#notice('waiting', t.jitsi.waitingTitle, t.jitsi.waitingText, icons.door, 'info', [
          { text: t.cancel, run: () => void this.#again() },
        ]);
      default: {
        const stages: Readonly<Record<string, string>> = t.jitsi.stage;
        const stage = this.#joined && call && Object.hasOwn(stages, call.stage) ? stages[call.stage] : undefined;
        const about =
          stage ?? t.jitsi.lobbyText(this.#room?.room ?? '', new URL(this.#room?.origin ?? 'https://-').host);
        return html`<siegel-lobby .media=${this.#media} .name=${this.#name} .about=${about} ?engineReady=${this.engine !== undefined} ?joining=${this.#joined}></siegel-lobby>`;
      }
    }
  }

  #askAddress() {
    const { t } = this;
    return html`<main class="center"><div class="card ask">
      <h1 tabindex="-1">${t.jitsi.title}</h1>
      <p class="quiet">${t.jitsi.text}</p>
      <form @submit=${this.#onAddress}>
        <label class="field"><span class="label">${t.jitsi.address}</span>
          <input class="input" name="address" type="text" inputmode="url" autocomplete="off" spellcheck="false" autocapitalize="off"
            placeholder=${t.jitsi.addressPlaceholder} aria-describedby="problem hint" aria-invalid=${this.problem ? 'true' : 'false'} /></label>
        <p class="quiet small" id="hint">${t.jitsi.addressHint}</p>
        <div id="problem" role="alert">${this.problem ? html`<div class="hint bad">${icons.warning}<span>${t.jitsiProblem[this.problem]}</span></div>` : nothing}</div>
        <button type="submit" class="button primary large wide">${t.jitsi.open}</button>
      </form>
    </div></main>`;
  }

  #askPassword(call: JitsiCall) {
    const { t } = this;
    return html`<main class="center"><div class="card ask" data-password>
      <h1 tabindex="-1">${t.jitsi.passwordTitle}</h1>
      <p class="quiet">${t.jitsi.passwordText}</p>
      <form @submit=${(event: SubmitEvent) => {
        event.preventDefault();
        const input = (event.target as HTMLFormElement).elements.namedItem('password') as HTMLInputElement;
        const { value } = input;
        input.value = '';
        if (value) call.enterPassword(value);
      }}>
        <label class="field"><span class="label">${t.jitsi.password}</span>
          <input class="input" name="password" type="password" autocomplete="off" aria-describedby="problem" aria-invalid=${call.problem ? 'true' : 'false'} /></label>
        <div id="problem" role="alert">${call.problem ? html`<div class="hint bad">${icons.warning}<span>${t.jitsiProblem[call.problem]}</span></div>` : nothing}</div>
        <div class="actions">
          <button type="submit" class="button primary">${t.jitsi.passwordEnter}</button>
          <button type="button" class="button" @click=${() => void this.#again()}>${t.cancel}</button>
        </div>
      </form>
    </div></main>`;
  }

  #failed(inCall: boolean) {
    const { t } = this;
    const [title = '', text = ''] = t.fail[this.#failure];
    const actions: NoticeAction[] = [];
    if (inCall || this.#room) {
      actions.push({ text: inCall ? t.rejoin : t.tryAgain, primary: true, run: () => void this.#again() });
    }
    if (inCall) actions.push({ text: t.leave, run: () => void this.#leave() });
    return this.#notice(this.#failure, title, text, icons.shieldRed, 'bad', actions);
  }

  #notice(kind: string, heading: string, text: string, icon: unknown, tone: 'info' | 'bad', actions: NoticeAction[]) {
    return html`<siegel-notice role=${this.view === 'call' ? 'alertdialog' : 'main'} aria-label=${heading} .kind=${kind} .heading=${heading} .text=${text} .icon=${icon} .tone=${tone} .actions=${actions}></siegel-notice>`;
  }

  // Steps -------------------------------------------------------------------------------------------------------------

  #start(): void {
    const missing = globalThis.isSecureContext ? missingFeature() : 'insecure';
    if (missing) {
      this.#failure = missing;
      this.view = 'failed';
      return;
    }
    if (this.address === undefined) {
      this.view = 'address';
      return;
    }
    this.#open(this.address);
  }

  readonly #onAddress = (event: SubmitEvent): void => {
    event.preventDefault();
    const input = (event.target as HTMLFormElement).elements.namedItem('address') as HTMLInputElement;
    this.#open(input.value);
    if (this.problem) input.focus();
  };

  #open(address: string): void {
    try {
      this.#room = this.backend.parseAddress(address);
    } catch (error) {
      this.problem = problemOf(error, this.t.jitsiProblem);
      this.view = 'address';
      return;
    }
    this.problem = undefined;
    // A token in the address is used, and is nowhere to be read afterwards.
    if (this.#room.token !== undefined) this.token ??= this.#room.token;
    this.announce('room', this.#link);
    this.#toLobby();
  }

  #toLobby(): void {
    this.#media ??= new LocalMedia(this.mediaOptions);
    this.#newCall();
    this.view = 'lobby';
  }

  #toAddress(): void {
    this.#room = undefined;
    this.view = 'address';
    void this.#dropCall(false);
  }

  /** The engine starts in the lobby, so that what is missing shows before anybody turns on a camera. It has no key yet. */
  #newCall(): void {
    const media = this.#media;
    if (!media || !this.#room) return;
    this.engine = undefined;
    this.#joined = false;
    const call = this.backend.createCall({
      address: this.#link,
      media,
      ...(this.token !== undefined && { token: this.token }),
      ...(this.transport && { transport: this.transport }),
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

  async #join(name: string): Promise<void> {
    if (!this.#call || this.#joined) return;
    this.#joined = true;
    this.#name = name;
    this.requestUpdate();
    // What went wrong stands in `problem`.
    await this.#call.join(name).catch(() => {});
  }

  #onCall(call: JitsiCall): void {
    if (call !== this.#call) return;
    if (call.stage === 'joined' && this.view === 'lobby') this.view = 'call';
    else if (call.phase === 'failed') this.#fail(call.failure);
    else if (call.phase === 'refused' && this.view === 'call') {
      // What could still be seen and heard ends with it.
      this.#media?.close();
      this.#media = undefined;
      this.view = 'lobby';
    }
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

  async #leave(): Promise<void> {
    this.view = 'left';
    await this.#dropCall(false);
  }

  /** Back to the lobby with what is still open. */
  async #again(): Promise<void> {
    await this.#dropCall(true);
    this.#toLobby();
  }

  readonly #onPageHide = (): void => void this.#call?.leave();

  /** Out of the browser's back-forward cache: what was left is gone, so begin anew. */
  readonly #onPageShow = (event: PageTransitionEvent): void => {
    if (event.persisted) location.reload();
  };
}
define('siegel-jitsi-app', SiegelJitsiApp);
