/** <siegel-devices>: choice of camera, microphone and speaker; used in the lobby and in the settings of a call. */
import { css, html, nothing } from 'lit';
import type { DeviceKind } from '../call';
import { define, SiegelMediaElement } from './element';
import { icons } from './icons';
import { playTestSound } from './level_meter';
import { sharedStyles } from './styles';

const canChooseSpeaker = typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype;

export class SiegelDevices extends SiegelMediaElement {
  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        gap: 0.9rem;
      }
      .row {
        display: flex;
        gap: 0.5rem;
      }
      .row .button {
        flex: none;
        width: 46px;
        padding: 0;
      }
    `,
  ];

  override render() {
    const { t } = this;
    return html`
      ${this.#choice('videoinput', t.camera)} ${this.#choice('audioinput', t.microphone)}
      ${canChooseSpeaker ? this.#choice('audiooutput', t.speaker) : nothing}
    `;
  }

  #choice(kind: DeviceKind, label: string) {
    const devices = this.media.devices[kind];
    const chosen = this.media.chosen(kind);
    return html`<div class="field">
      <label for=${kind}>${label}</label>
      <div class="row">
        <select class="select" id=${kind} ?disabled=${devices.length === 0} @change=${(event: Event) => this.#choose(kind, event)}>
          ${devices.length === 0 ? html`<option>${this.t.defaultDevice}</option>` : nothing}
          ${devices.map(
            (device, i) =>
              html`<option value=${device.id} ?selected=${device.id === chosen}>
                ${device.label || this.t.deviceNumber(label, i + 1)}
              </option>`,
          )}
        </select>
        ${
          kind === 'audiooutput'
            ? html`<button type="button" class="button" title=${this.t.testSpeaker} aria-label=${this.t.testSpeaker}
                @click=${() => void playTestSound(chosen)}>${icons.speaker}</button>`
            : nothing
        }
      </div>
    </div>`;
  }

  async #choose(kind: DeviceKind, event: Event): Promise<void> {
    const id = (event.target as HTMLSelectElement).value;
    if (kind === 'audiooutput') return this.media.chooseSpeaker(id);
    const problem = kind === 'videoinput' ? await this.media.openCamera(id) : await this.media.openMicrophone(id);
    if (problem) this.announce('device-problem', { what: kind === 'videoinput' ? 'camera' : 'microphone', problem });
  }
}
define('siegel-devices', SiegelDevices);
