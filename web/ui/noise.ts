/**
 * <siegel-noise>: noise suppression of this person's microphone: mode, strength, and a test that lets them hear what others
 * hear. Says what the engine does, not what was asked for.
 */
import { css, html, nothing } from 'lit';
import type { NoiseMode } from '../call';
import { type Hearing, playHearing, recordHearing } from '../effects';
import { define, SiegelMediaElement } from './element';
import { icons } from './icons';
import { effectStyles, sharedStyles } from './styles';

const kModes: readonly NoiseMode[] = ['suppress', 'original', 'browser'];
const kSeconds = 5;
/** Steps of the slider; one more is "everything". */
const kLeast = 6;
const kMost = 36;
const kStep = 3;

export class SiegelNoise extends SiegelMediaElement {
  static override properties = {
    /** A heading stands above already. */
    headed: { type: Boolean },
    left: { state: true },
    hearing: { state: true },
    playing: { state: true },
    failed: { state: true },
  };
  declare headed: boolean;
  /** Seconds of the recording that are left; 0: none. */
  declare left: number;
  declare hearing: Hearing | undefined;
  declare playing: 'before' | 'after' | undefined;
  declare failed: boolean;
  #recording: AbortController | undefined;
  #stopPlaying: (() => void) | undefined;

  static override styles = [
    sharedStyles,
    effectStyles,
    css`
      .strength {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr) 5.5em;
        align-items: center;
        gap: 0.75rem;
      }
      .strength output {
        text-align: end;
        font-variant-numeric: tabular-nums;
      }
      input[type='range'] {
        width: 100%;
        min-height: 44px;
        margin: 0;
        accent-color: var(--accent);
      }
      .hear {
        display: flex;
        flex-wrap: wrap;
        gap: 0.5rem;
      }
      .hear .button {
        flex: 1 1 auto;
      }
      .hear .button:first-child {
        flex-basis: 100%;
      }
      .recording {
        color: var(--red);
      }
    `,
  ];

  constructor() {
    super();
    this.headed = false;
    this.left = 0;
    this.hearing = undefined;
    this.playing = undefined;
    this.failed = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#recording?.abort();
    this.#stopPlaying?.();
    this.hearing = undefined;
  }

  override render() {
    const { media } = this;
    const t = this.t.noise;
    return html`
      <div class="field">
        ${this.headed ? nothing : html`<label for="noise">${t.title}</label>`}
        <select class="select" id="noise" aria-label=${t.title} aria-describedby="noise-state" @change=${this.#chooseMode}>
          ${kModes.map((mode) => html`<option value=${mode} ?selected=${mode === media.noise}>${t.mode[mode]}</option>`)}
        </select>
      </div>
      <p class="state quiet small" id="noise-state" role="status">${this.#state()}</p>
      ${media.noise === 'suppress' ? this.#strength() : nothing}
      ${media.rawMicrophone ? this.#test() : nothing}
    `;
  }

  #state() {
    const t = this.t.noise;
    const { noise, denoiser } = this.media;
    if (noise === 'browser') return html`<span>${t.byBrowser}</span>`;
    if (!denoiser) return html`<span>${noise === 'original' ? t.original : t.microphoneOff}</span>`;
    const { state, running, profile, doubled, failure } = denoiser;
    if (state === 'starting') return html`<span>${t.starting}</span>`;
    if (state !== 'running')
      return html`${icons.warning}<span data-failure=${failure ?? ''}>${state === 'muted' ? t.failedMuted : t.failedRaw}</span>`;
    if (noise === 'original') return html`<span>${t.original}</span>`;
    const how = running === profile ? t.best : running === 'eco' ? t.reduced : t.paused;
    return html`${running === profile ? icons.check : icons.warning}<span data-running=${running}>${how}${doubled ? html` ${t.doubled}` : nothing}</span>`;
  }

  #strength() {
    const t = this.t.noise;
    const { noiseStrength } = this.media;
    const value = noiseStrength === 'full' ? kMost : noiseStrength;
    const text = noiseStrength === 'full' ? t.full : t.decibels(noiseStrength);
    return html`<div class="strength">
      <label for="strength">${t.strength}</label>
      <input id="strength" type="range" min=${kLeast} max=${kMost} step=${kStep} .value=${String(value)}
        aria-valuetext=${text} @input=${this.#chooseStrength} />
      <output class="quiet small" for="strength">${text}</output>
    </div>`;
  }

  #test() {
    const t = this.t.noise;
    // Where the browser does it there is no before.
    const ways = this.media.denoiser ? (['before', 'after'] as const) : (['after'] as const);
    if (this.left > 0)
      return html`<div class="hear"><button type="button" class="button recording" @click=${() => this.#recording?.abort()}>${icons.microphone}${t.recording(this.left)}</button></div>`;
    return html`<div class="hear">
        <button type="button" class="button" @click=${this.#record}>${icons.microphone}${this.hearing ? t.again : t.hear}</button>
        ${this.hearing ? ways.map((which) => this.#play(which)) : nothing}
      </div>
      ${this.failed ? html`<p class="small" role="alert">${t.hearFailed}</p>` : html`<p class="quiet small">${t.hearHint}</p>`}`;
  }

  #play(which: 'before' | 'after') {
    const t = this.t.noise;
    const on = this.playing === which;
    return html`<button type="button" class="button" aria-pressed=${on ? 'true' : 'false'} @click=${() => this.#toggle(which)}>${icons.speaker}${t[which]}</button>`;
  }

  readonly #chooseMode = async (event: Event): Promise<void> => {
    const problem = await this.media.setNoise((event.target as HTMLSelectElement).value as NoiseMode);
    if (problem) this.announce('device-problem', { what: 'microphone', problem });
  };

  readonly #chooseStrength = (event: Event): void => {
    const value = Number((event.target as HTMLInputElement).value);
    this.media.setNoiseStrength(value >= kMost ? 'full' : value);
  };

  readonly #record = async (): Promise<void> => {
    const { rawMicrophone, microphone } = this.media;
    if (!rawMicrophone || !microphone) return;
    this.#stopPlaying?.();
    const recording = new AbortController();
    this.#recording = recording;
    this.failed = false;
    this.left = kSeconds;
    const timer = setInterval(() => {
      if (this.left > 1) this.left--;
    }, 1000);
    const hearing = await recordHearing(rawMicrophone, microphone, kSeconds, recording.signal);
    clearInterval(timer);
    this.left = 0;
    if (recording.signal.aborted || !this.isConnected) return;
    this.hearing = hearing;
    this.failed = !hearing;
    if (hearing) this.#toggle('after');
  };

  #toggle(which: 'before' | 'after'): void {
    const was = this.playing;
    this.#stopPlaying?.();
    const buffer = this.hearing?.[which];
    if (was === which || !buffer) return;
    this.playing = which;
    this.#stopPlaying = playHearing(buffer, this.media.chosen('audiooutput'), () => {
      if (this.playing === which) this.playing = undefined;
    });
  }
}
define('siegel-noise', SiegelNoise);
