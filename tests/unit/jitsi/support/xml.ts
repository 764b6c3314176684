/** Stanzas for unit tests: text → the same tree that readElement makes of a browser's DOM. */
import { readdirSync, readFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';
import { type DomElement, readElement, type XmlElement } from '../../../../web/jitsi/xml';

const kFolder = new URL('../../../vectors/jitsi-wire/', import.meta.url);
const parser = new new JSDOM('').window.DOMParser();

/** Prefixes that a stanza may use because its stream declares them. */
const kStream = "xmlns:stream='http://etherx.jabber.org/streams'";

export function parse(text: string): XmlElement {
  const inStream = /^<stream:[a-z]+[\s>/]/.test(text) && !text.includes('xmlns:stream');
  const whole = inStream ? text.replace(/^<stream:[a-z]+/, (tag) => `${tag} ${kStream}`) : text;
  const root = parser.parseFromString(whole, 'text/xml').documentElement;
  if (root.localName === 'parsererror') throw new Error('Not XML');
  return readElement(root as unknown as DomElement);
}

const names = readdirSync(kFolder).filter((name) => name.endsWith('.xml'));

/** Names of the recorded stanzas, in the order of the recordings; `part` selects. */
export const recordedNames = (part = ''): string[] => names.filter((name) => name.includes(part)).sort();

/** One recorded stanza, by its file's name or a unique beginning of it. */
export function recorded(name: string): XmlElement {
  const found = names.filter((one) => one === name || one.startsWith(name));
  if (found.length !== 1) throw new Error(`${name} names ${found.length} recorded stanzas`);
  return parse(readFileSync(new URL(found[0] as string, kFolder), 'utf8'));
}
