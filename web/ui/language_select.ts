/** <siegel-language>: switches the language of the page at once. */
import { html } from 'lit';
import { define, SiegelElement } from './element';
import { kLanguages, type Language, language, setLanguage } from './i18n';
import { sharedStyles } from './styles';

export class SiegelLanguage extends SiegelElement {
  static override styles = sharedStyles;

  override render() {
    return html`<select class="select" aria-label=${this.t.language} @change=${this.#choose}>
      ${Object.entries(kLanguages).map(
        ([key, texts]) =>
          html`<option value=${key} lang=${key} ?selected=${key === language()}>${texts.languageName}</option>`,
      )}
    </select>`;
  }

  #choose(event: Event): void {
    setLanguage((event.target as HTMLSelectElement).value as Language);
  }
}
define('siegel-language', SiegelLanguage);
