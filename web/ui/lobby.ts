/** <siegel-lobby>: see and hear oneself, choose devices and a name, then join. Nothing is sent or asked before a click. */
import { css, html, nothing } from 'lit';
import { live } from 'lit/directives/live.js';
import { kMaxName, type MediaProblem } from '../call';
import { define, SiegelMediaElement } from './element';
import { icons } from './icons';
import { LevelMeter, wakeAudio } from './level_meter';
import { sharedStyles } from './styles';
import './background';
import './devices';
import './noise';

export type LobbyCodec = 'vp8' | 'vp9' | 'h264';

export class SiegelLobby extends SiegelMediaElement {
  static override properties = {
    fresh: { type: Boolean },
    engineReady: { type: Boolean },
    joining: { type: Boolean },
    /** Instead of the line below the title. */
    about: {},
    /** The name comes from elsewhere: no field for it. */
    nameless: { type: Boolean },
    /** What stands in that field at first. */
    name: {},
    /** Codings to choose from; fewer than two: no choice. */
    codecs: { attribute: false },
    codec: {},
    asked: { state: true },
    busy: { state: true },
    problems: { state: true },
  };
  declare fresh: boolean;
  declare engineReady: boolean;
  declare joining: boolean;
  declare about: string;
  declare nameless: boolean;
  declare name: string;
  declare codecs: readonly LobbyCodec[];
  /** Announces `codec` with another one when the person chooses it. */
  declare codec: LobbyCodec;
  /** A device was asked for, so the choice of devices is worth showing. */
  declare asked: boolean;
  declare busy: boolean;
  declare problems: { microphone?: MediaProblem; camera?: MediaProblem };
  #meter: LevelMeter | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: block;
      }
      main {
        display: grid;
        gap: clamp(1.25rem, 4vw, 2.75rem);
        width: min(68rem, 100%);
        margin-inline: auto;
        padding: clamp(0.75rem, 4vw, 3rem) clamp(0.9rem, 4vw, 2rem) 2.5rem;
        align-items: start;
      }
      @media (min-width: 56rem) {
        main {
          grid-template-columns: minmax(0, 1.35fr) minmax(20rem, 1fr);
        }
      }
      .left {
        display: grid;
        gap: 0.9rem;
      }
      .preview {
        position: relative;
        overflow: hidden;
        aspect-ratio: 16 / 9;
        border-radius: var(--radius-tile);
        background: var(--tile);
        color: var(--on-tile);
        box-shadow: var(--shadow-card);
      }
      @media (max-width: 30rem) {
        .preview {
          aspect-ratio: 4 / 3.4;
        }
      }
      video {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        object-fit: cover;
        transform: scaleX(-1);
      }
      .ask {
        position: absolute;
        inset: 0;
        display: grid;
        place-content: center;
        justify-items: center;
        gap: 0.65rem;
        padding: 1.1rem 1.1rem;
        text-align: center;
      }
      .ask p {
        color: var(--on-tile-2);
        font-size: var(--size-s);
        max-width: 25rem;
      }
      .ask .button {
        margin-top: 0.4rem;
      }
      .toggles {
        position: absolute;
        inset-inline: 0;
        bottom: 0.85rem;
        display: flex;
        justify-content: center;
        gap: 0.65rem;
      }
      .toggle {
        display: grid;
        place-items: center;
        width: 52px;
        height: 52px;
        border: 1px solid rgb(255 255 255 / 0.22);
        border-radius: 50%;
        background: rgb(12 16 24 / 0.6);
        color: #fff;
        backdrop-filter: blur(8px);
      }
      .toggle:hover {
        background: rgb(40 48 60 / 0.75);
      }
      .toggle.off {
        background: var(--red-solid);
        border-color: transparent;
      }
      .level {
        display: grid;
        grid-template-columns: auto 1fr;
        align-items: center;
        gap: 0.75rem;
        color: var(--text-2);
      }
      .bars {
        display: grid;
        grid-auto-flow: column;
        grid-auto-columns: 1fr;
        gap: 3px;
        height: 8px;
      }
      .bars i {
        border-radius: 4px;
        background: var(--surface-3);
        transition: background-color 80ms;
      }
      .bars i.on {
        background: var(--green);
      }
      .right {
        display: grid;
        gap: 1.25rem;
      }
      .title {
        display: grid;
        gap: 0.4rem;
      }
      .more {
        border-top: 1px solid var(--line);
        padding-top: 0.5rem;
      }
      .more summary {
        min-height: 44px;
        padding-block: 0.6rem;
        font-weight: 580;
        font-size: var(--size-s);
        color: var(--text-2);
        border-radius: var(--radius-control);
        cursor: pointer;
      }
      /* What is inside does not inherit from it in every browser. */
      .more siegel-noise,
      .more siegel-background,
      .more .field,
      .more .field * {
        box-sizing: border-box;
      }
      .more .field {
        padding-top: 0.4rem;
      }
      .join {
        display: grid;
        gap: 0.75rem;
      }
      .engine {
        display: flex;
        align-items: center;
        gap: 0.5rem;
        min-height: 1.5rem;
      }
      .engine .icon {
        width: 1.2rem;
        height: 1.2rem;
      }
      .engine.ready .icon {
        color: var(--green);
      }
    `,
  ];

  constructor() {
    super();
    this.fresh = false;
    this.engineReady = false;
    this.joining = false;
    this.about = '';
    this.nameless = false;
    this.name = '';
    this.codecs = [];
    this.codec = 'vp8';
    this.asked = false;
    this.busy = false;
    this.problems = {};
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.asked = this.media.camera !== undefined || this.media.microphone !== undefined;
    this.#timer = setInterval(() => this.#drawLevel(), 100);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
    this.#meter?.close();
    this.#meter = undefined;
  }

  override render() {
    const { t, media } = this;
    const { camera: cameraProblem, microphone: microphoneProblem } = this.problems;
    return html`<main>
      <div class="left">
        <div class="preview">
          ${
            media.cameraStream
              ? html`<video autoplay playsinline muted aria-label=${t.preview} .srcObject=${live(media.cameraStream)} .muted=${true}></video>`
              : html`<div class="ask">
                  ${
                    this.asked
                      ? html`<p>${t.cameraOffPreview}</p>`
                      : html`<h2>${t.askDevicesTitle}</h2>
                          <p>${t.askDevicesText}</p>
                          <button type="button" class="button primary" ?disabled=${this.busy} @click=${this.#askBoth}>${t.askDevices}</button>`
                  }
                </div>`
          }
          ${
            this.asked
              ? html`<div class="toggles">
                  ${this.#toggle(media.talking, t.mute, t.unmute, icons.microphone, icons.microphoneOff, this.#microphone)}
                  ${this.#toggle(media.camera !== undefined, t.cameraOff, t.cameraOn, icons.camera, icons.cameraOff, this.#camera)}
                </div>`
              : nothing
          }
        </div>
        ${
          media.microphone
            ? html`<div class="level">
                <span class="small">${t.level}</span>
                <span class="bars" role="meter" aria-label=${t.level} aria-valuemin="0" aria-valuemax="100" aria-valuenow="0">
                  ${Array.from({ length: 24 }, () => html`<i></i>`)}
                </span>
              </div>`
            : nothing
        }
        <div role="alert">
          ${cameraProblem ? this.#problem(t.problemCamera, cameraProblem, this.#camera) : nothing}
        </div>
        <div role="alert">
          ${microphoneProblem ? this.#problem(t.problemMicrophone, microphoneProblem, this.#microphone) : nothing}
        </div>
        ${
          this.asked
            ? html`<details class="more">
                <summary>${t.background.title}${media.background === 'none' ? nothing : html`: ${media.background === 'image' ? t.background.image[media.backgroundImage?.id ?? 'own'] : t.background.type[media.background]}`}</summary>
                <siegel-background headed .media=${media} @device-problem=${this.#deviceProblem}></siegel-background>
              </details>`
            : nothing
        }
      </div>
      <form class="right" @submit=${this.#join}>
        <div class="title">
          <h1>${t.lobbyTitle}</h1>
          <p class="quiet">${this.about || (this.fresh ? t.lobbyNew : t.lobbyInvited)}</p>
        </div>
        ${
          this.nameless
            ? nothing
            : html`<div class="field">
          <label for="name">${t.yourName}</label>
          <input class="input" id="name" name="name" .value=${this.name} maxlength=${kMaxName} autocomplete="off" placeholder=${t.namePlaceholder} />
        </div>`
        }
        ${
          this.asked
            ? html`<siegel-devices .media=${media} @device-problem=${this.#deviceProblem}></siegel-devices>`
            : nothing
        }
        ${
          this.asked
            ? html`<details class="more">
                <summary>${t.noise.title}</summary>
                <siegel-noise headed .media=${media} @device-problem=${this.#deviceProblem}></siegel-noise>
              </details>`
            : nothing
        }
        ${this.codecs.length > 1 ? this.#moreSettings() : nothing}
        <div class="join">
          <button type="submit" class="button primary large wide" ?disabled=${this.joining}>
            ${this.joining ? t.joining : media.camera || media.microphone ? t.join : t.joinWithout}
          </button>
          <p class="engine quiet small ${this.engineReady ? 'ready' : ''}">
            ${this.engineReady ? icons.shieldGreen : icons.shieldAmber}
            <span>${this.engineReady ? t.engineReady : t.engineStarting}</span>
          </p>
        </div>
      </form>
    </main>`;
  }

  #moreSettings() {
    const { t } = this;
    return html`<details class="more">
      <summary>${t.moreSettings}</summary>
      <div class="field">
        <label for="codec">${t.matrix.videoCodec}</label>
        <select class="select" id="codec" aria-describedby="codec-hint" ?disabled=${this.joining} @change=${(
          event: Event,
        ) => this.announce('codec', (event.target as HTMLSelectElement).value)}>
          ${this.codecs.map((codec) => html`<option value=${codec} ?selected=${codec === this.codec}>${t.codecText[codec][0]}</option>`)}
        </select>
        <span id="codec-hint" class="quiet small">${t.codecText[this.codec][1]}</span>
      </div>
    </details>`;
  }

  #toggle(on: boolean, offText: string, onText: string, onIcon: unknown, offIcon: unknown, run: () => void) {
    const label = on ? offText : onText;
    return html`<button type="button" class="toggle ${on ? '' : 'off'}" aria-label=${label} title=${label}
      ?disabled=${this.busy} @click=${run}>${on ? onIcon : offIcon}</button>`;
  }

  #problem(device: string, problem: MediaProblem, retry: () => void) {
    return html`<div class="hint" data-problem=${problem}>
      ${icons.warning}
      <div>
        <strong>${device}:</strong> ${this.t.problem[problem]}
        <div><button type="button" class="button" ?disabled=${this.busy} @click=${retry}>${this.t.tryAgain}</button></div>
      </div>
    </div>`;
  }

  readonly #askBoth = async (): Promise<void> => {
    wakeAudio();
    this.busy = true;
    this.problems = await this.media.openBoth();
    this.busy = false;
    this.asked = true;
  };

  readonly #microphone = async (): Promise<void> => {
    wakeAudio();
    if (this.media.microphone) {
      this.media.setMuted(!this.media.muted);
      return;
    }
    this.busy = true;
    const problem = await this.media.openMicrophone();
    this.busy = false;
    const { microphone: _, ...rest } = this.problems;
    this.problems = problem ? { ...rest, microphone: problem } : rest;
  };

  readonly #camera = async (): Promise<void> => {
    if (this.media.camera) {
      this.media.closeCamera();
      return;
    }
    this.busy = true;
    const problem = await this.media.openCamera();
    this.busy = false;
    const { camera: _, ...rest } = this.problems;
    this.problems = problem ? { ...rest, camera: problem } : rest;
  };

  #deviceProblem(event: CustomEvent<{ what: 'camera' | 'microphone'; problem: MediaProblem }>): void {
    this.problems = { ...this.problems, [event.detail.what]: event.detail.problem };
  }

  #drawLevel(): void {
    const stream = this.media.microphoneStream;
    if (this.#meter?.stream !== stream) {
      this.#meter?.close();
      this.#meter = stream && new LevelMeter(stream);
    }
    const bars = this.renderRoot.querySelector('.bars');
    if (!bars) return;
    const level = this.media.muted ? 0 : (this.media.loudness ?? this.#meter?.level() ?? 0);
    bars.setAttribute('aria-valuenow', String(Math.round(level * 100)));
    const lit = Math.round(level * bars.children.length);
    for (const [i, bar] of [...bars.children].entries()) bar.classList.toggle('on', i < lit);
  }

  #join(event: SubmitEvent): void {
    event.preventDefault();
    wakeAudio();
    const input = (event.target as HTMLFormElement).elements.namedItem('name') as HTMLInputElement | null;
    this.announce('join', { name: input?.value ?? '' });
  }
}
define('siegel-lobby', SiegelLobby);
