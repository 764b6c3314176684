/**
 * <siegel-effects-lab>: noise suppression to try on any sound, recorded here or from a file: hear it before and after, see it,
 * and take the result along. Everything stays on this page. Figures are measured on this device.
 */
import { css, html, nothing, type PropertyValues } from 'lit';
import { denoiseOffline, encodeWav, kBins, type Levels, levels, type OfflineResult, spectrogram } from '../effects';
import { define, SiegelElement } from './element';
import { language } from './i18n';
import { icons } from './icons';
import { labNavigation, labStyles } from './lab';
import { focusHeading, shellHead, shellStyles } from './shell';
import { sharedStyles } from './styles';

export type LabSound = 'before' | 'eco' | 'hq';
type Problem = 'no-microphone' | 'denied' | 'unreadable' | 'too-long' | 'too-short' | 'failed';

const kRate = 48_000;
const kMostSeconds = 600;
const kLeastSeconds = 0.3;
const kMostRecording = 60;
const kSounds: readonly LabSound[] = ['before', 'eco', 'hq'];
const kColumns = 900;
/** dB at the dark and the bright end of the pictures. */
const kDark = -105;
const kBright = -30;
const kHighest = 16_000;
const kLines = [250, 1000, 4000, 8000];
const kLeast = 6;
const kMost = 36;

export class SiegelEffectsLab extends SiegelElement {
  static override properties = {
    problem: { state: true },
    recording: { state: true },
    working: { state: true },
    name: { state: true },
    results: { state: true },
    heard: { state: true },
    shown: { state: true },
    playing: { state: true },
    strength: { state: true },
  };
  assets: string | URL = '';
  declare problem: Problem | undefined;
  /** Seconds so far. */
  declare recording: number | undefined;
  /** 0 to 1 while it works. */
  declare working: number | undefined;
  declare name: string;
  declare results: Partial<Record<'eco' | 'hq', OfflineResult>>;
  declare heard: LabSound;
  /** Which result the lower picture shows. */
  declare shown: 'eco' | 'hq';
  declare playing: boolean;
  declare strength: number | 'full';
  #sound: Float32Array<ArrayBuffer> | undefined;
  #work: AbortController | undefined;
  #recorder: { stop(): void } | undefined;
  #player: Player | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #frame = 0;

  static override styles = [
    sharedStyles,
    shellStyles,
    labStyles,
    css`
      .drop {
        border: 2px dashed var(--line-strong);
      }
      .drop.over {
        border-color: var(--accent);
        background: var(--accent-tint);
      }
      progress {
        width: 100%;
        height: 0.6rem;
        accent-color: var(--accent);
      }
      figcaption span:last-child {
        white-space: nowrap;
      }
      .picture {
        position: relative;
        overflow: hidden;
        border-radius: var(--radius-control);
        background: #04060c;
      }
      canvas {
        display: block;
        width: 100%;
        height: clamp(8rem, 22vw, 13rem);
      }
      .line {
        position: absolute;
        inset-inline: 0;
        height: 0;
        border-top: 1px solid rgb(255 255 255 / 0.14);
        color: rgb(255 255 255 / 0.85);
        font-size: 0.6875rem;
        line-height: 1;
        padding: 2px 6px;
        text-shadow: 0 1px 2px #000;
      }
      .cursor {
        position: absolute;
        inset-block: 0;
        left: 0;
        width: 2px;
        background: #fff;
        opacity: 0.85;
      }
      .transport {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.6rem;
      }
      .choice {
        display: flex;
        flex: 1 1 16rem;
        min-width: 0;
        margin: 0;
        padding: 3px;
        border: 1px solid var(--line-strong);
        border-radius: var(--radius-control);
        background: var(--surface);
      }
      .choice label {
        display: grid;
        flex: 1;
        place-items: center;
        min-height: 40px;
        padding-inline: 0.5rem;
        border-radius: calc(var(--radius-control) - 3px);
        font-weight: 580;
        text-align: center;
        cursor: pointer;
      }
      .choice label:has(:checked) {
        background: var(--accent);
        color: var(--on-accent);
      }
      .choice label:has(:focus-visible) {
        outline: 3px solid var(--focus);
        outline-offset: 2px;
      }
      .choice input {
        position: absolute;
        opacity: 0;
      }
      .strength {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr) 6em;
        align-items: center;
        gap: 0.75rem;
      }
      .strength input {
        width: 100%;
        min-height: 44px;
        margin: 0;
        accent-color: var(--accent);
      }
      .strength output {
        text-align: end;
        font-variant-numeric: tabular-nums;
      }
      .meter {
        position: relative;
        height: 0.6rem;
        overflow: hidden;
        border-radius: 0.3rem;
        background: var(--surface-3);
      }
      .meter i {
        position: absolute;
        inset: 0;
        background: var(--green);
        transform: scaleX(var(--level, 0));
        transform-origin: left;
      }
      .table {
        overflow-x: auto;
      }
      table {
        width: 100%;
        border-collapse: collapse;
        font-variant-numeric: tabular-nums;
      }
      th,
      td {
        padding: 0.5rem 0.75rem;
        border-top: 1px solid var(--line);
        text-align: end;
        white-space: nowrap;
      }
      th:first-child {
        text-align: start;
        white-space: normal;
        font-weight: 500;
      }
      thead th {
        border-top: 0;
        color: var(--text-2);
        font-size: var(--size-s);
      }
      .end {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
      }
    `,
  ];

  constructor() {
    super();
    this.problem = undefined;
    this.recording = undefined;
    this.working = undefined;
    this.name = '';
    this.results = {};
    this.heard = 'hq';
    this.shown = 'hq';
    this.playing = false;
    this.strength = 'full';
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#forget();
    this.#recorder?.stop();
  }

  override willUpdate(): void {
    document.documentElement.lang = language();
    document.title = `${this.t.lab.title} · ${this.t.appName}`;
  }

  override firstUpdated(): void {
    void focusHeading(this);
  }

  override updated(changed: PropertyValues<this>): void {
    if (changed.has('results') || changed.has('shown')) this.#draw();
  }

  override render() {
    const t = this.t.lab;
    return html`<div class="page">
      ${shellHead(this.t.appName)}
      <main @dragover=${this.#dragOver} @dragleave=${this.#dragLeave} @drop=${this.#drop}>
        ${labNavigation('noise', this.t)}
        <div class="title">
          <h1>${t.title}</h1>
          <p class="quiet">${t.text}</p>
        </div>
        <div class="from">
          ${
            this.recording === undefined
              ? html`<button type="button" class="button primary" ?disabled=${this.working !== undefined} @click=${this.#record}>${icons.microphone}${t.record}</button>`
              : html`<button type="button" class="button stop" @click=${() => this.#recorder?.stop()}>${icons.microphone}${t.stop(Math.floor(this.recording))}</button>`
          }
          <button type="button" class="button drop" ?disabled=${this.recording !== undefined} @click=${this.#choose}>${icons.download}${t.open}</button>
          <input type="file" id="file" tabindex="-1" aria-hidden="true" accept="audio/*,video/*,.wav,.flac,.mp3,.ogg,.opus,.m4a,.webm" @change=${this.#chosen} />
        </div>
        <div role="alert">${this.problem ? html`<div class="hint" data-problem=${this.problem}>${icons.warning}<div>${t.problem[this.problem]}</div></div>` : nothing}</div>
        <div role="status">${
          this.working === undefined
            ? nothing
            : html`<p class="quiet small">${t.working}</p><progress max="1" .value=${this.working} aria-label=${t.working}></progress>`
        }</div>
        ${this.#sound && (this.results.hq || this.results.eco) ? this.#result(this.#sound) : nothing}
      </main>
    </div>`;
  }

  #result(sound: Float32Array) {
    const t = this.t.lab;
    const text = this.strength === 'full' ? t.full : t.decibels(this.strength);
    return html`<section class="card" aria-label=${t.result}>
      <h2>${this.name}</h2>
      ${this.#picture('before', t.sound.before, sound.length / kRate)}
      ${this.#picture('after', `${t.after}: ${t.sound[this.shown]}`, sound.length / kRate)}
      <div class="transport">
        <button type="button" class="button" @click=${this.#togglePlay}>${icons.speaker}${this.playing ? t.pause : t.play}</button>
        <fieldset class="choice">
          <legend class="visually-hidden">${t.hear}</legend>
          ${kSounds.map(
            (each) => html`<label><input type="radio" name="heard" value=${each} .checked=${each === this.heard}
              ?disabled=${each !== 'before' && !this.results[each]} @change=${() => this.#hear(each)} />${t.short[each]}</label>`,
          )}
        </fieldset>
      </div>
      <div class="meter" role="meter" aria-label=${t.level} aria-valuemin="-60" aria-valuemax="0" aria-valuenow="-60"><i></i></div>
      <div class="strength">
        <label for="strength">${t.strength}</label>
        <input id="strength" type="range" min=${kLeast} max=${kMost} step="3" aria-valuetext=${text}
          .value=${String(this.strength === 'full' ? kMost : this.strength)} @input=${this.#chooseStrength} />
        <output class="quiet small" for="strength">${text}</output>
      </div>
      ${this.#table(sound)}
      <div class="end">
        ${(['eco', 'hq'] as const).map((each) =>
          this.results[each]
            ? html`<button type="button" class="button" @click=${() => this.#save(each)}>${icons.download}${t.save(t.short[each])}</button>`
            : nothing,
        )}
      </div>
    </section>`;
  }

  #picture(which: 'before' | 'after', caption: string, seconds: number) {
    return html`<figure>
      <figcaption><span>${caption}</span><span>${seconds.toFixed(1)} s</span></figcaption>
      <div class="picture" data-which=${which}>
        <canvas width=${kColumns} height="260" role="img" aria-label=${this.t.lab.spectrogram(caption)}></canvas>
        ${kLines.map(
          (hertz) =>
            html`<span class="line" aria-hidden="true" .style=${`bottom:${(100 * height(hertz)).toFixed(2)}%`}>${hertz < 1000 ? hertz : `${hertz / 1000}k`}</span>`,
        )}
        <span class="cursor" aria-hidden="true" hidden></span>
      </div>
    </figure>`;
  }

  #table(sound: Float32Array) {
    const t = this.t.lab;
    const of = (samples: Float32Array | undefined): Levels | undefined => samples && levels(samples, kRate);
    const columns = {
      before: of(sound),
      eco: of(this.results.eco?.samples),
      hq: of(this.results.hq?.samples),
    };
    const row = (name: string, value: (each: LabSound) => string) =>
      html`<tr><th scope="row">${name}</th>${kSounds.map((each) => html`<td>${value(each)}</td>`)}</tr>`;
    const level = (value: number | undefined): string =>
      value === undefined ? '–' : `${Math.round(value)} dB`.replace('-', '−');
    return html`<div class="table" tabindex="0" role="region" aria-label=${t.measured}>
      <table>
        <thead><tr><th>${t.measured}</th>${kSounds.map((each) => html`<th scope="col">${t.short[each]}</th>`)}</tr></thead>
        <tbody>
          ${row(t.mean, (each) => level(columns[each]?.mean))}
          ${row(t.floor, (each) => level(columns[each]?.floor))}
          ${row(t.cost, (each) => {
            const result = each === 'before' ? undefined : this.results[each];
            return result ? `${result.msPerFrame.toFixed(2)} ms` : '–';
          })}
          ${row(t.delay, (each) => {
            const result = each === 'before' ? undefined : this.results[each];
            return result ? `${Math.round(1000 * result.delay)} ms` : '–';
          })}
        </tbody>
      </table>
    </div>`;
  }

  // Where sound comes from ------------------------------------------------------------------------------------------------

  readonly #choose = (): void => this.renderRoot.querySelector<HTMLInputElement>('#file')?.click();

  readonly #chosen = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    const file = input.files?.[0];
    input.value = '';
    if (file) void this.#read(file);
  };

  readonly #dragOver = (event: DragEvent): void => {
    event.preventDefault();
    this.renderRoot.querySelector('.drop')?.classList.add('over');
  };

  readonly #dragLeave = (): void => this.renderRoot.querySelector('.drop')?.classList.remove('over');

  readonly #drop = (event: DragEvent): void => {
    event.preventDefault();
    this.#dragLeave();
    const file = event.dataTransfer?.files[0];
    if (file) void this.#read(file);
  };

  async #read(file: File): Promise<void> {
    this.problem = undefined;
    try {
      const bytes = await file.arrayBuffer();
      // Decodes to the rate of the context, whatever the file has.
      const buffer = await new OfflineAudioContext(1, 1, kRate).decodeAudioData(bytes);
      await this.#take(mono(buffer), file.name);
    } catch {
      this.problem = 'unreadable';
    }
  }

  readonly #record = async (): Promise<void> => {
    this.problem = undefined;
    this.#player?.stop();
    let stream: MediaStream;
    try {
      if (!navigator.mediaDevices?.getUserMedia || typeof MediaRecorder === 'undefined')
        throw new DOMException('', 'NotFoundError');
      stream = await navigator.mediaDevices.getUserMedia({
        // As it is: what the browser takes away could not be heard before.
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
    } catch (error) {
      this.problem = (error as { name?: string }).name === 'NotAllowedError' ? 'denied' : 'no-microphone';
      return;
    }
    // Through a graph that runs already: the first recording of a page in Firefox is all but empty otherwise.
    const context = new AudioContext();
    const output = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    context.createMediaStreamSource(stream).connect(output);
    await context.resume();
    const parts: Blob[] = [];
    const recorder = new MediaRecorder(output.stream, { audioBitsPerSecond: 192_000 });
    const begun = performance.now();
    const ticks = setInterval(() => {
      this.recording = (performance.now() - begun) / 1000;
      if (this.recording >= kMostRecording) this.#recorder?.stop();
    }, 250);
    this.recording = 0;
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      clearInterval(ticks);
      for (const track of stream.getTracks()) track.stop();
      void context.close().catch(() => {});
      this.recording = undefined;
      this.#recorder = undefined;
      if (!this.isConnected) return;
      const file = new File(parts, this.t.lab.recorded, { type: recorder.mimeType });
      void this.#read(file);
    };
    this.#recorder = {
      stop: () => {
        if (recorder.state !== 'inactive') recorder.stop();
      },
    };
    recorder.start();
  };

  async #take(sound: Float32Array<ArrayBuffer>, name: string): Promise<void> {
    const seconds = sound.length / kRate;
    if (seconds > kMostSeconds || seconds < kLeastSeconds) {
      this.problem = seconds > kMostSeconds ? 'too-long' : 'too-short';
      return;
    }
    this.#forget();
    this.#sound = sound;
    this.name = name;
    await this.#process();
  }

  #forget(): void {
    this.#work?.abort();
    this.#player?.stop();
    this.#player = undefined;
    this.results = {};
    this.#sound = undefined;
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
  }

  // What is made of it ------------------------------------------------------------------------------------------------------

  async #process(): Promise<void> {
    this.#work?.abort();
    const work = new AbortController();
    this.#work = work;
    const sound = this.#sound;
    if (!sound) return;
    this.working = 0;
    const results: typeof this.results = {};
    for (const [i, profile] of (['eco', 'hq'] as const).entries()) {
      // One that does not run here does not take the other one along.
      const result = await denoiseOffline(sound, kRate, {
        profile,
        strength: this.strength,
        signal: work.signal,
        progress: (done) => {
          if (!work.signal.aborted) this.working = (i + done) / 2;
        },
        ...(this.assets ? { assets: this.assets } : {}),
      }).catch(() => undefined);
      if (work.signal.aborted) return;
      if (result) results[profile] = result;
      else this.problem = 'failed';
    }
    this.results = results;
    this.#player?.replace('eco', results.eco?.samples);
    this.#player?.replace('hq', results.hq?.samples);
    this.working = undefined;
  }

  readonly #chooseStrength = (event: Event): void => {
    const value = Number((event.target as HTMLInputElement).value);
    this.strength = value >= kMost ? 'full' : value;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#process(), 300);
  };

  #save(which: 'eco' | 'hq'): void {
    const samples = this.results[which]?.samples;
    if (!samples) return;
    const url = URL.createObjectURL(encodeWav(samples, kRate));
    const link = document.createElement('a');
    link.href = url;
    link.download = `${this.name.replace(/\.[^.]*$/, '') || 'sound'}-${which}.wav`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  // Hearing and seeing ----------------------------------------------------------------------------------------------------

  #hear(which: LabSound): void {
    this.heard = which;
    if (which !== 'before') this.shown = which;
    this.#player?.choose(which);
  }

  readonly #togglePlay = async (): Promise<void> => {
    if (this.playing) {
      this.#player?.stop();
      return;
    }
    if (!this.#sound) return;
    const player = new Player(
      { before: this.#sound, eco: this.results.eco?.samples, hq: this.results.hq?.samples },
      this.heard,
      () => {
        if (this.#player !== player) return;
        this.playing = false;
        this.#player = undefined;
      },
    );
    this.#player = player;
    this.playing = true;
    await player.start();
    this.#follow(player);
  };

  #follow(player: Player): void {
    const draw = (): void => {
      const on = player === this.#player && this.isConnected;
      const meter = this.renderRoot.querySelector<HTMLElement>('.meter');
      const level = on ? player.level() : -120;
      meter?.style.setProperty('--level', String(Math.min(1, Math.max(0, (level + 60) / 60))));
      meter?.setAttribute('aria-valuenow', String(Math.round(Math.max(-60, level))));
      for (const cursor of this.renderRoot.querySelectorAll<HTMLElement>('.cursor')) {
        cursor.hidden = !on;
        cursor.style.left = `${100 * player.position()}%`;
      }
      if (on) this.#frame = requestAnimationFrame(draw);
    };
    draw();
  }

  #draw(): void {
    const sound = this.#sound;
    if (!sound) return;
    const after = this.results[this.shown]?.samples;
    for (const [which, samples] of [
      ['before', sound],
      ['after', after],
    ] as const) {
      const canvas = this.renderRoot.querySelector<HTMLCanvasElement>(`[data-which=${which}] canvas`);
      if (canvas && samples) paint(canvas, spectrogram(samples, kColumns));
    }
  }
}
define('siegel-effects-lab', SiegelEffectsLab);

/** Where a frequency lies in the picture, 0 to 1: low ones, where speech is, get more room. */
function height(hertz: number): number {
  return Math.min(1, Math.sqrt(hertz / kHighest));
}

function paint(canvas: HTMLCanvasElement, values: Float32Array): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const { width, height: rows } = canvas;
  const image = context.createImageData(width, rows);
  for (let y = 0; y < rows; ++y) {
    const share = (rows - 1 - y) / (rows - 1);
    const bin = Math.min(kBins - 1, (share * share * kHighest * 2 * kBins) / kRate);
    const [low, rest] = [Math.floor(bin), bin - Math.floor(bin)];
    for (let x = 0; x < width; ++x) {
      const a = values[x * kBins + low] as number;
      const b = values[x * kBins + Math.min(kBins - 1, low + 1)] as number;
      const value = Math.min(1, Math.max(0, (a + rest * (b - a) - kDark) / (kBright - kDark)));
      const at = 4 * (y * width + x);
      // Dark blue over violet and orange to a pale yellow: lightness grows with loudness throughout.
      image.data[at] = 255 * Math.min(1, Math.max(0, 1.6 * value - 0.25));
      image.data[at + 1] = 255 * Math.min(1, Math.max(0, 1.9 * value - 0.9));
      image.data[at + 2] =
        255 *
        Math.max(0.05, value < 0.45 ? 1.5 * value : 0.675 - 1.3 * (value - 0.45) + 1.6 * Math.max(0, value - 0.8));
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

function mono(buffer: AudioBuffer): Float32Array<ArrayBuffer> {
  const sum = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; ++channel) {
    const samples = buffer.getChannelData(channel);
    for (let i = 0; i < sum.length; ++i) sum[i] = (sum[i] as number) + (samples[i] as number) / buffer.numberOfChannels;
  }
  return sum;
}

/** Plays all sounds in step and lets one be heard, so that a switch is at once and at the same place. */
class Player {
  readonly #context = new AudioContext();
  readonly #gains = new Map<LabSound, GainNode>();
  readonly #sources = new Map<LabSound, AudioBufferSourceNode>();
  readonly #analyser: AnalyserNode;
  readonly #samples = new Float32Array(2048);
  readonly #length: number;
  readonly #ended: () => void;
  #heard: LabSound;
  #begun = 0;
  #over = false;

  constructor(
    sounds: Partial<Record<LabSound, Float32Array<ArrayBuffer> | undefined>>,
    heard: LabSound,
    ended: () => void,
  ) {
    this.#heard = heard;
    this.#ended = ended;
    this.#analyser = new AnalyserNode(this.#context, { fftSize: this.#samples.length });
    this.#analyser.connect(this.#context.destination);
    this.#length = (sounds.before?.length ?? 0) / kRate;
    for (const sound of kSounds) this.#add(sound, sounds[sound]);
  }

  #add(sound: LabSound, samples: Float32Array<ArrayBuffer> | undefined): AudioBufferSourceNode | undefined {
    if (!samples) return undefined;
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: kRate, numberOfChannels: 1 });
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    const gain = this.#gains.get(sound) ?? new GainNode(this.#context, { gain: sound === this.#heard ? 1 : 0 });
    if (!this.#gains.has(sound)) gain.connect(this.#analyser);
    source.connect(gain);
    this.#gains.set(sound, gain);
    this.#sources.set(sound, source);
    return source;
  }

  async start(): Promise<void> {
    await this.#context.resume();
    this.#begun = this.#context.currentTime + 0.05;
    for (const source of this.#sources.values()) source.start(this.#begun);
    const first = this.#sources.get('before');
    if (first) first.onended = () => this.stop();
  }

  choose(sound: LabSound): void {
    this.#heard = sound;
    const now = this.#context.currentTime;
    for (const [each, { gain }] of this.#gains) {
      gain.setValueAtTime(gain.value, now);
      gain.linearRampToValueAtTime(each === sound ? 1 : 0, now + 0.02);
    }
  }

  /** Other samples for the same moment, as the strength changes. */
  replace(sound: LabSound, samples: Float32Array<ArrayBuffer> | undefined): void {
    if (this.#over || !samples) return;
    this.#sources.get(sound)?.disconnect();
    const at = this.#context.currentTime;
    this.#add(sound, samples)?.start(at, Math.max(0, at - this.#begun));
  }

  /** 0 to 1 */
  position(): number {
    return Math.min(1, Math.max(0, (this.#context.currentTime - this.#begun) / this.#length));
  }

  /** dBFS */
  level(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, value) => sum + value * value, 0) / this.#samples.length;
    return 10 * Math.log10(power + 1e-12);
  }

  stop(): void {
    if (this.#over) return;
    this.#over = true;
    void this.#context.close().catch(() => {});
    this.#ended();
  }
}
