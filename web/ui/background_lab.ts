/**
 * <siegel-background-lab>: backgrounds to try on a camera or a film: before and after with a slider between them, the matte, its
 * edges, and what each stage costs on this device. Everything stays on this page; the engine runs in it, not in a worker.
 */
import { css, html, nothing } from 'lit';
import {
  type Arithmetic,
  arithmetics,
  type BackgroundCore,
  type BackgroundImageName,
  createBackgroundCore,
  kBackgroundImages,
  loadBackgroundImage,
  type StageTimes,
} from '../effects';
import { define, SiegelElement } from './element';
import { language } from './i18n';
import { icons } from './icons';
import { labNavigation, labStyles } from './lab';
import { focusHeading, shellHead, shellStyles } from './shell';
import { sharedStyles } from './styles';

const kEffects = ['blur-light', 'blur-strong', ...kBackgroundImages] as const;
type LabEffect = (typeof kEffects)[number];
const kViews = ['result', 'matte', 'edges'] as const;
type View = (typeof kViews)[number];
type Problem = 'no-camera' | 'denied' | 'unreadable' | 'failed';
const kStages = ['take', 'see', 'judge', 'compose', 'give'] as const satisfies readonly (keyof StageTimes)[];
/** What a frame has at 30 a second. */
const kBudget = 1000 / 30;
/** Weight of one frame in the means that are shown. */
const kShare = 0.08;
const kShow = 250;
/** Alpha between is an edge. */
const kClear = 13;
const kSolid = 242;

export class SiegelBackgroundLab extends SiegelElement {
  static override properties = {
    problem: { state: true },
    running: { state: true },
    effect: { state: true },
    view: { state: true },
    arithmetic: { state: true },
    times: { state: true },
    rate: { state: true },
    size: { state: true },
    split: { state: true },
  };
  assets: string | URL = '';
  declare problem: Problem | undefined;
  declare running: 'camera' | 'film' | undefined;
  declare effect: LabEffect;
  declare view: View;
  declare arithmetic: Arithmetic;
  /** Means of the last frames, in milliseconds. */
  declare times: StageTimes | undefined;
  declare rate: number;
  declare size: readonly [width: number, height: number];
  /** Left of it before, right of it after, in percent. */
  declare split: number;
  readonly #video = document.createElement('video');
  readonly #able = arithmetics();
  #stream: MediaStream | undefined;
  #film = '';
  #core: BackgroundCore | undefined;
  #coreOf: Arithmetic | undefined;
  #means: StageTimes | undefined;
  #busy = false;
  /** Which film or camera is watched; another number, and the one before is over. */
  #watching = 0;
  #last = 0;
  #every = 0;
  #shown = 0;

  static override styles = [
    sharedStyles,
    shellStyles,
    labStyles,
    css`
      .stage {
        position: relative;
        overflow: hidden;
        border-radius: var(--radius-tile);
        background: var(--tile);
        aspect-ratio: var(--shape, 16 / 9);
        max-height: 70vh;
        margin-inline: auto;
        width: 100%;
      }
      .stage canvas {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        object-fit: contain;
      }
      .stage .after {
        clip-path: inset(0 0 0 var(--split));
      }
      .stage .line {
        position: absolute;
        inset-block: 0;
        left: var(--split);
        width: 2px;
        margin-left: -1px;
        background: #fff;
        box-shadow: 0 0 4px rgb(0 0 0 / 0.6);
      }
      .slider {
        width: 100%;
        min-height: 44px;
        margin: 0;
        accent-color: var(--accent);
      }
      .choices {
        display: grid;
        gap: 1rem;
        grid-template-columns: repeat(auto-fit, minmax(min(14rem, 100%), 1fr));
      }
      .bars {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr) auto;
        align-items: center;
        gap: 0.5rem 0.75rem;
        margin: 0;
        font-variant-numeric: tabular-nums;
      }
      .bars dt {
        grid-column: 1;
      }
      .bars dd {
        display: contents;
      }
      .bars meter {
        width: 100%;
        height: 0.8rem;
      }
      .bars .sum {
        font-weight: 650;
      }
    `,
  ];

  constructor() {
    super();
    this.problem = undefined;
    this.running = undefined;
    this.effect = 'blur-strong';
    this.view = 'result';
    this.arithmetic = this.#able.at(-1) ?? 'f32';
    this.times = undefined;
    this.rate = 0;
    this.size = [0, 0];
    this.split = 50;
    this.#video.muted = true;
    this.#video.loop = true;
    this.#video.playsInline = true;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop();
  }

  override willUpdate(): void {
    document.documentElement.lang = language();
    document.title = `${this.t.backgroundLab.title} · ${this.t.appName}`;
  }

  override firstUpdated(): void {
    void focusHeading(this);
  }

  override updated(): void {
    // By script: the page's policy allows no style in the markup.
    const stage = this.renderRoot.querySelector<HTMLElement>('.stage');
    stage?.style.setProperty('--split', `${this.split}%`);
    stage?.style.setProperty('--shape', `${this.size[0] || 16} / ${this.size[1] || 9}`);
  }

  override render() {
    const t = this.t.backgroundLab;
    return html`<div class="page">
      ${shellHead(this.t.appName)}
      <main @dragover=${(event: DragEvent) => event.preventDefault()} @drop=${this.#drop}>
        ${labNavigation('background', this.t)}
        <div class="title">
          <h1>${t.title}</h1>
          <p class="quiet">${t.text}</p>
        </div>
        <div class="from">
          ${
            this.running === 'camera'
              ? html`<button type="button" class="button stop" @click=${this.#stop}>${icons.cameraOff}${t.stop}</button>`
              : html`<button type="button" class="button primary" @click=${this.#camera}>${icons.camera}${t.camera}</button>`
          }
          <button type="button" class="button" @click=${() => this.renderRoot.querySelector<HTMLInputElement>('#file')?.click()}>${icons.download}${t.open}</button>
          <input type="file" id="file" tabindex="-1" aria-hidden="true" accept="video/*" @change=${this.#chosen} />
        </div>
        <div role="alert">${this.problem ? html`<div class="hint" data-problem=${this.problem}>${icons.warning}<div>${t.problem[this.problem]}</div></div>` : nothing}</div>
        ${this.running ? this.#result() : nothing}
      </main>
    </div>`;
  }

  #result() {
    const t = this.t.backgroundLab;
    const effects = { ...this.t.background.type, ...this.t.background.image };
    const pick = <T extends string>(
      id: string,
      label: string,
      values: readonly T[],
      texts: Record<T, string>,
      chosen: T,
      choose: (value: T) => void,
    ) =>
      html`<div class="field"><label for=${id}>${label}</label>
        <select class="select" id=${id} @change=${(event: Event) => choose((event.target as HTMLSelectElement).value as T)}>
          ${values.map((value) => html`<option value=${value} ?selected=${value === chosen}>${texts[value]}</option>`)}
        </select></div>`;
    return html`
      <figure>
        <div class="stage"><canvas class="before"></canvas><canvas class="after" role="img" aria-label=${t.view[this.view]}></canvas><span class="line"></span></div>
        <input class="slider" type="range" min="0" max="100" .value=${String(this.split)} aria-label=${t.split}
          @input=${(event: Event) => (this.split = Number((event.target as HTMLInputElement).value))} />
        <figcaption class="quiet small"><span>${t.before}</span><span>${t.after}</span></figcaption>
      </figure>
      <div class="choices">
        ${pick('effect', this.t.background.title, kEffects, effects, this.effect, (value) => void this.#choose(value))}
        ${pick('view', t.show, kViews, t.view, this.view, (value) => (this.view = value))}
        ${pick('arithmetic', t.arithmetic, this.#able, t.arithmetics, this.arithmetic, (value) => (this.arithmetic = value))}
      </div>
      ${this.times ? this.#bars(this.times) : nothing}
    `;
  }

  #bars(times: StageTimes) {
    const t = this.t.backgroundLab;
    const sum = kStages.reduce((all, stage) => all + times[stage], 0);
    const bar = (text: string, value: number, look = '') =>
      html`<dt class=${look}>${text}</dt><dd><meter min="0" max=${kBudget} high=${kBudget} value=${value} aria-label=${text}></meter><span class=${look}>${value.toFixed(2)} ms</span></dd>`;
    return html`<section class="card">
      <h2>${t.cost}</h2>
      <dl class="bars">${kStages.map((stage) => bar(t.stage[stage], times[stage]))}${bar(t.sum, sum, 'sum')}</dl>
      <p class="quiet small">${t.figures(this.size[0], this.size[1], this.rate)}</p>
    </section>`;
  }

  readonly #camera = async (): Promise<void> => {
    this.#stop();
    this.problem = undefined;
    if (!navigator.mediaDevices?.getUserMedia) {
      this.problem = 'no-camera';
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
      });
      if (!this.isConnected) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.#stream = stream;
      this.#video.srcObject = stream;
      await this.#play('camera');
    } catch (error) {
      this.problem = (error as { name?: unknown } | null)?.name === 'NotAllowedError' ? 'denied' : 'no-camera';
    }
  };

  readonly #chosen = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    const file = input.files?.[0];
    input.value = '';
    if (file) void this.#open(file);
  };

  readonly #drop = (event: DragEvent): void => {
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) void this.#open(file);
  };

  async #open(file: File): Promise<void> {
    this.#stop();
    this.problem = undefined;
    this.#film = URL.createObjectURL(file);
    this.#video.src = this.#film;
    try {
      await this.#play('film');
    } catch {
      this.#stop();
      this.problem = 'unreadable';
    }
  }

  async #play(what: 'camera' | 'film'): Promise<void> {
    await this.#video.play();
    this.running = what;
    this.#watch();
  }

  readonly #stop = (): void => {
    this.#watching++;
    this.#video.pause();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.#video.srcObject = null;
    if (this.#film) {
      URL.revokeObjectURL(this.#film);
      this.#video.removeAttribute('src');
      this.#film = '';
    }
    this.#means = undefined;
    this.times = undefined;
    this.running = undefined;
    this.#core?.cover();
  };

  /** A picture is handed over once, to whatever engine is there. */
  async #choose(effect: LabEffect): Promise<void> {
    this.effect = effect;
    await this.#dress();
  }

  async #dress(): Promise<void> {
    const core = this.#core;
    if (!core) return;
    const { effect } = this;
    if (effect === 'blur-light' || effect === 'blur-strong') {
      core.type = effect;
      return;
    }
    const image = await loadBackgroundImage(effect satisfies BackgroundImageName, this.assets);
    if (core !== this.#core || effect !== this.effect) return;
    const picture = image?.picture as HTMLCanvasElement | undefined;
    const pixels = picture?.getContext('2d')?.getImageData(0, 0, picture.width, picture.height);
    if (!pixels) {
      this.problem = 'failed';
      return;
    }
    core.image(pixels.width, pixels.height, new Uint8Array(pixels.data.buffer));
    core.type = 'image';
  }

  async #engine(): Promise<BackgroundCore | undefined> {
    const { arithmetic } = this;
    if (this.#coreOf === arithmetic) return this.#core;
    const core = this.#able.includes(arithmetic) ? await createBackgroundCore(arithmetic, this.assets) : undefined;
    if (arithmetic !== this.arithmetic) return undefined;
    this.#core = core;
    this.#coreOf = core ? arithmetic : undefined;
    this.#means = undefined;
    if (core) await this.#dress();
    else {
      this.#stop();
      this.problem = 'failed';
    }
    return core;
  }

  #watch(): void {
    const mine = ++this.#watching;
    const next = () => {
      this.#video.requestVideoFrameCallback(async () => {
        if (mine !== this.#watching) return;
        next();
        // The newest frame wins: one that comes while another is worked on is left out.
        if (this.#busy) return;
        this.#busy = true;
        await this.#frame().catch(() => {});
        this.#busy = false;
      });
    };
    next();
  }

  async #frame(): Promise<void> {
    const core = await this.#engine();
    const [before, after] = this.renderRoot.querySelectorAll('canvas');
    if (!core || !before || !after || this.#video.readyState < 2) return;
    const frame = new VideoFrame(this.#video, { timestamp: Math.round(performance.now() * 1000) });
    const { displayWidth: width, displayHeight: height } = frame;
    for (const canvas of [before, after])
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
    before.getContext('2d')?.drawImage(frame, 0, 0, width, height);
    const result = await core.process(frame);
    const context = after.getContext('2d');
    if (this.view === 'result') context?.drawImage(result, 0, 0, width, height);
    else if (context) drawMatte(context, core, this.view);
    result.close();
    this.#count(core.times, [width, height]);
  }

  #count(times: StageTimes, size: readonly [number, number]): void {
    const now = performance.now();
    const means = this.#means;
    if (means) for (const stage of kStages) means[stage] += kShare * (times[stage] - means[stage]);
    else this.#means = { ...times };
    const every = now - this.#last;
    this.#every = means && this.#every ? this.#every + kShare * (every - this.#every) : every;
    this.#last = now;
    if (now - this.#shown < kShow) return;
    this.#shown = now;
    this.times = this.#means && { ...this.#means };
    this.rate = Math.round(1000 / Math.max(1, this.#every));
    if (size[0] !== this.size[0] || size[1] !== this.size[1]) this.size = size;
  }
}

/** White where the engine sees a person; or, over darkness, only where it is not sure. */
function drawMatte(context: CanvasRenderingContext2D, core: BackgroundCore, view: View): void {
  const matte = core.matte();
  const [width, height] = core.size;
  if (!matte) return;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < matte.length; ++at) {
    const alpha = matte[at] as number;
    if (view === 'matte') pixels[at] = 0xff000000 | (alpha * 0x010101);
    else {
      const edge = alpha > kClear && alpha < kSolid;
      // Bytes are alpha, blue, green, red: edges yellow to red, people grey.
      pixels[at] = edge ? 0xff000000 | (alpha << 8) | 0xff : alpha >= kSolid ? 0xff555555 : 0xff101010;
    }
  }
  context.putImageData(image, 0, 0);
}
define('siegel-background-lab', SiegelBackgroundLab);
