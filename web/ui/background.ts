/**
 * <siegel-background>: what stands behind this person: the room, blurred or not, or a picture. Says what the engine does, not
 * what was asked for. Announces `device-problem` when the camera had to be turned off for it.
 */
import { css, html, nothing } from 'lit';
import {
  type BackgroundImage,
  type BackgroundImageName,
  type BackgroundType,
  backgroundImageUrl,
  framePath,
  kBackgroundImages,
  loadBackgroundImage,
  openBackgroundImage,
} from '../effects';
import { define, SiegelMediaElement } from './element';
import { icons } from './icons';
import { effectStyles, sharedStyles } from './styles';

type Choice = Exclude<BackgroundType, 'image'> | BackgroundImage['id'];

export class SiegelBackground extends SiegelMediaElement {
  static override properties = {
    /** A heading stands above already. */
    headed: { type: Boolean },
    problem: { state: true },
    busy: { state: true },
  };
  declare headed: boolean;
  /** What became of a picture. */
  declare problem: 'unreadable' | 'missing' | undefined;
  declare busy: boolean;
  readonly #able = framePath() !== undefined;

  static override styles = [
    sharedStyles,
    effectStyles,
    css`
      legend {
        padding: 0;
        margin-bottom: 0.4rem;
      }
      fieldset {
        min-width: 0;
        margin: 0;
        padding: 0;
        border: 0;
      }
      .choices {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(5.4rem, 1fr));
        gap: 0.5rem;
      }
      .choice {
        position: relative;
        display: grid;
        align-content: start;
        gap: 0.25rem;
        font-size: var(--size-s);
        text-align: center;
        cursor: pointer;
      }
      .choice input {
        position: absolute;
        inset: 0;
        opacity: 0;
        margin: 0;
        width: 100%;
        height: 100%;
        cursor: pointer;
      }
      .picture {
        position: relative;
        overflow: hidden;
        display: grid;
        place-items: center;
        aspect-ratio: 16 / 10;
        border-radius: var(--radius-control);
        border: 1px solid var(--line);
        background: var(--surface-3);
        color: var(--text-2);
      }
      .picture img,
      .picture canvas {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        object-fit: cover;
      }
      /* A room to be seen clearly, less, and hardly. */
      .room {
        position: absolute;
        inset: -12%;
        background:
          linear-gradient(90deg, transparent 62%, #b58c63 62% 66%, transparent 66% 80%, #44627d 80% 90%, transparent 90%),
          linear-gradient(0deg, #b9a183 26%, #e4e6e1 26%);
      }
      .blur-light .room {
        filter: blur(2px);
      }
      .blur-strong .room {
        filter: blur(6px);
      }
      .picture svg {
        position: absolute;
        inset: 12% 0 0;
        width: 100%;
        height: 88%;
        color: #2d3a50;
      }
      .choice input:checked + .picture {
        border-color: var(--accent);
        box-shadow: 0 0 0 2px var(--accent);
      }
      .choice input:focus-visible + .picture {
        outline: 3px solid var(--accent);
        outline-offset: 3px;
      }
      .choice input:disabled,
      .choice:has(input:disabled) {
        cursor: not-allowed;
      }
      .choice:has(input:disabled) .picture {
        opacity: 0.45;
      }
    `,
  ];

  constructor() {
    super();
    this.headed = false;
    this.problem = undefined;
    this.busy = false;
  }

  override updated(): void {
    const canvas = this.renderRoot.querySelector('canvas');
    const own = this.media.ownImage?.picture;
    const context = canvas?.getContext('2d');
    if (!canvas || !context || !own) return;
    const scale = Math.max(canvas.width / own.width, canvas.height / own.height);
    const [width, height] = [own.width * scale, own.height * scale];
    context.drawImage(own, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  }

  get #chosen(): Choice {
    const { background, backgroundImage } = this.media;
    return background === 'image' ? (backgroundImage?.id ?? 'own') : background;
  }

  override render() {
    const t = this.t.background;
    const person = html`<svg viewBox="0 0 40 30" preserveAspectRatio="xMidYMax meet" aria-hidden="true"><circle cx="20" cy="11" r="6.500" fill="currentColor" /><path d="M7 31c0-8 5-12 13-12s13 4 13 12z" fill="currentColor" /></svg>`;
    return html`
      <fieldset aria-describedby="background-state">
        <legend class=${this.headed ? 'visually-hidden' : 'label'}>${t.title}</legend>
        <div class="choices">
          ${(['none', 'blur-light', 'blur-strong'] as const).map((type) => this.#choice(type, t.type[type], html`<span class="room"></span>${person}`))}
          ${kBackgroundImages.map((name) => this.#choice(name, t.image[name], html`<img src=${backgroundImageUrl(name, this.media.assets)} alt="" />`))}
          ${this.media.ownImage ? this.#choice('own', t.image.own, html`<canvas width="160" height="100"></canvas>`) : nothing}
        </div>
      </fieldset>
      <p class="state quiet small" id="background-state" role="status">${this.#state()}</p>
      ${
        this.media.backgroundEngine?.state === 'failed'
          ? html`<div><button type="button" class="button" @click=${() => this.#set(this.media.background)}>${this.t.tryAgain}</button></div>`
          : nothing
      }
      ${this.problem ? html`<p class="small" role="alert">${t.problem[this.problem]}</p>` : nothing}
      ${
        this.#able
          ? html`<div>
              <button type="button" class="button" ?disabled=${this.busy} @click=${this.#ask}>${icons.plus} ${this.media.ownImage ? t.another : t.own}</button>
              <input type="file" accept="image/*" hidden @change=${this.#open} />
            </div>
            <p class="quiet small">${t.ownHint}</p>`
          : nothing
      }
    `;
  }

  #choice(choice: Choice, text: string, picture: unknown) {
    return html`<label class="choice"><input type="radio" name="background" value=${choice} .checked=${this.#chosen === choice}
        ?disabled=${this.busy || (!this.#able && choice !== 'none')} @change=${() => this.#choose(choice)} /><span class="picture ${choice}" aria-hidden="true">${picture}</span><span>${text}</span></label>`;
  }

  #state() {
    const t = this.t.background;
    const { background, backgroundEngine: engine, covered } = this.media;
    if (!this.#able) return html`${icons.warning}<span data-behind="unable">${t.unable}</span>`;
    if (background === 'none') return html`<span data-behind="none">${t.none}</span>`;
    if (!engine) return html`<span data-behind="off">${t.cameraOff}</span>`;
    if (engine.state === 'failed')
      return html`${icons.warning}<span data-behind="failed" data-failure=${engine.failure ?? ''}>${t.failed}</span>`;
    if (engine.state !== 'running' || covered === undefined)
      return html`<span data-behind="starting">${t.starting}</span>`;
    if (engine.effort === 'cover') return html`${icons.warning}<span data-behind="busy">${t.busy}</span>`;
    if (covered) return html`<span data-behind="covered">${t.covered}</span>`;
    const doubled = engine.doubled ? html` ${t.doubled}` : nothing;
    return html`${icons.check}<span data-behind="running">${background === 'image' ? t.replaced : t.blurred}${engine.effort === 'half' ? html` ${t.half}` : nothing}${doubled}</span>`;
  }

  async #choose(choice: Choice): Promise<void> {
    this.problem = undefined;
    if (choice === 'none' || choice === 'blur-light' || choice === 'blur-strong') {
      await this.#set(choice);
      return;
    }
    if (choice === 'own') {
      await this.#set('image', this.media.ownImage);
      return;
    }
    await this.#setDrawn(choice);
  }

  async #setDrawn(name: BackgroundImageName): Promise<void> {
    this.busy = true;
    const image = await loadBackgroundImage(name, this.media.assets);
    this.busy = false;
    if (image) await this.#set('image', image);
    else this.problem = 'missing';
  }

  async #set(type: BackgroundType, image?: BackgroundImage): Promise<void> {
    const problem = await this.media.setBackground(type, image);
    if (problem) this.announce('device-problem', { what: 'camera', problem });
  }

  readonly #ask = (): void => {
    this.renderRoot.querySelector<HTMLInputElement>('input[type=file]')?.click();
  };

  readonly #open = async (event: Event): Promise<void> => {
    const input = event.target as HTMLInputElement;
    const file = input.files?.[0];
    // The same file again is a change, too.
    input.value = '';
    if (!file) return;
    this.busy = true;
    const image = await openBackgroundImage(file);
    this.busy = false;
    this.problem = image ? undefined : 'unreadable';
    if (image) await this.#set('image', image);
  };
}
define('siegel-background', SiegelBackground);
