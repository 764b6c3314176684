/** Time of day as people write it. */
import { language } from './i18n';

const formats = new Map<string, Intl.DateTimeFormat>();

/** Hours and minutes in the page's language. Its format is made once: making one costs more than all of a list's times. */
export function clockTime(at: number): string {
  const wanted = language();
  let format = formats.get(wanted);
  if (!format) {
    format = new Intl.DateTimeFormat(wanted, { hour: '2-digit', minute: '2-digit' });
    formats.set(wanted, format);
  }
  return format.format(at);
}
