/** Base of all components: draws anew when the language changes. No state outside the instance. */
import { LitElement, type PropertyDeclarations } from 'lit';
import type { LocalMedia } from '../call';
import { type Messages, messages, onLanguage } from './i18n';

export class SiegelElement extends LitElement {
  #stopListening: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stopListening = onLanguage(() => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stopListening?.();
  }

  protected get t(): Messages {
    return messages();
  }

  /** Tells whoever uses this component; crosses shadow roots. */
  protected announce<T>(kind: string, detail?: T): void {
    this.dispatchEvent(new CustomEvent(kind, { detail, bubbles: true, composed: true }));
  }
}

/** Base of what shows a person's own devices: draws anew when they change. */
export class SiegelMediaElement extends SiegelElement {
  static override properties: PropertyDeclarations = { media: { attribute: false } };
  declare media: LocalMedia;
  #stopFollowing: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stopFollowing = this.media.on('change', () => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stopFollowing?.();
  }
}

/** Registers once, so that a bundle loaded twice does no harm. */
export function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
