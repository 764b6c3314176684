/** Language of the page: from the browser, switchable at run time, not stored. */
import { de } from './de';
import { en, type Messages } from './en';

export type Language = 'en' | 'de';
export const kLanguages: Readonly<Record<Language, Messages>> = { en, de };

/** First of the browser's languages that we have; English otherwise. */
export function preferredLanguage(wishes: readonly string[]): Language {
  for (const wish of wishes) {
    const base = wish.toLowerCase().split('-')[0];
    if (base === 'de' || base === 'en') return base;
  }
  return 'en';
}

let current: Language = preferredLanguage(globalThis.navigator?.languages ?? []);
const listeners = new Set<() => void>();

export function language(): Language {
  return current;
}

export function messages(): Messages {
  return kLanguages[current];
}

export function setLanguage(next: Language): void {
  if (next === current) return;
  current = next;
  for (const listener of [...listeners]) listener();
}

export function onLanguage(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export type { Messages };
