/**
 * Stanzas as plain, frozen-size trees. Everything that comes from the network is turned into one by `readElement`, within
 * limits, before any other code looks at it; the rest of this folder needs no DOM and is tested without one.
 *
 * Threads: any. Errors: XmlError. Cost: linear in the size of the stanza.
 */

export interface XmlElement {
  readonly name: string;
  /** Namespace in force; '' when there is none. */
  readonly ns: string;
  readonly attrs: Readonly<Record<string, string>>;
  readonly children: ReadonlyArray<XmlElement | string>;
}

/** What one stanza may hold. Far above what a conference of 500 needs, far below what hurts. */
export const kXmlLimits = {
  /** UTF-16 units of a stanza's text form. */
  length: 2_000_000,
  depth: 24,
  elements: 60_000,
  attributes: 40,
} as const;

export class XmlError extends Error {
  constructor(readonly reason: 'too-long' | 'too-deep' | 'too-many' | 'declaration' | 'malformed') {
    super(`Stanza refused: ${reason}`);
    this.name = 'XmlError';
  }
}

/** Builds an element. Undefined attributes and children are left out; `xmlns` sets the namespace, else the parent's counts. */
export function x(
  name: string,
  attrs: Readonly<Record<string, string | number | undefined>> = {},
  ...children: ReadonlyArray<XmlElement | string | undefined>
): XmlElement {
  const own: Record<string, string> = Object.create(null);
  for (const [key, value] of Object.entries(attrs)) if (value !== undefined && key !== 'xmlns') own[key] = `${value}`;
  return {
    name,
    ns: attrs.xmlns === undefined ? '' : `${attrs.xmlns}`,
    attrs: own,
    children: children.filter((one): one is XmlElement | string => one !== undefined && one !== ''),
  };
}

export const elements = (parent: XmlElement | undefined): XmlElement[] =>
  parent ? parent.children.filter((child): child is XmlElement => typeof child !== 'string') : [];

/** First child of this name (and namespace, when given). */
export const child = (parent: XmlElement | undefined, name: string, ns?: string): XmlElement | undefined =>
  elements(parent).find((one) => one.name === name && (ns === undefined || one.ns === ns));

export const childrenOf = (parent: XmlElement | undefined, name: string, ns?: string): XmlElement[] =>
  elements(parent).filter((one) => one.name === name && (ns === undefined || one.ns === ns));

/** Text directly in the element; '' without an element. */
export const textOf = (element: XmlElement | undefined): string =>
  element ? element.children.filter((one): one is string => typeof one === 'string').join('') : '';

/** An attribute, or undefined; never something inherited from Object. */
export const attr = (element: XmlElement | undefined, name: string): string | undefined =>
  element && Object.hasOwn(element.attrs, name) ? element.attrs[name] : undefined;

/** The parts of a DOM element that are read: satisfied by browsers and by every DOM for Node. */
export interface DomElement {
  readonly nodeType: number;
  readonly localName: string | null;
  readonly namespaceURI: string | null;
  readonly attributes: ArrayLike<{ readonly name: string; readonly value: string }>;
  readonly childNodes: ArrayLike<{ readonly nodeType: number; readonly nodeValue: string | null }>;
}

/** Reads a DOM element within kXmlLimits. Comments and processing instructions are left out. */
export function readElement(root: DomElement): XmlElement {
  let count = 0;
  let length = 0;
  const add = (units: number): void => {
    length += units;
    if (length > kXmlLimits.length) throw new XmlError('too-long');
  };
  const read = (element: DomElement, depth: number): XmlElement => {
    if (depth > kXmlLimits.depth) throw new XmlError('too-deep');
    if (++count > kXmlLimits.elements || element.attributes.length > kXmlLimits.attributes)
      throw new XmlError('too-many');
    const name = element.localName ?? '';
    add(name.length);
    const attrs: Record<string, string> = Object.create(null);
    for (const { name: key, value } of Array.from(element.attributes)) {
      add(key.length + value.length);
      if (key !== 'xmlns' && !key.startsWith('xmlns:')) attrs[key] = value;
    }
    const children: Array<XmlElement | string> = [];
    for (const node of Array.from(element.childNodes)) {
      if (node.nodeType === 1) children.push(read(node as unknown as DomElement, depth + 1));
      else if (node.nodeType === 3 || node.nodeType === 4) {
        const text = node.nodeValue ?? '';
        add(text.length);
        if (text) children.push(text);
      }
    }
    return { name, ns: element.namespaceURI ?? '', attrs, children };
  };
  return read(root, 1);
}

/** Refuses text that must never reach a parser: too long, or with a document type (entities). XMPP has neither (RFC 6120, 11.1). */
export function checkXmlText(text: string): void {
  if (text.length > kXmlLimits.length) throw new XmlError('too-long');
  if (/<!(?!\[CDATA\[)/.test(text)) throw new XmlError('declaration');
}

/** Characters that XML 1.0 cannot carry are left out. */
const kForbidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const kEscapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
const escaped = (text: string): string =>
  text.replace(kForbidden, '').replace(/[&<>"']/g, (one) => kEscapes[one] ?? '');

const kName = /^[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?$/;

/** Text form. `ns` is the namespace already in force. Throws XmlError('malformed') for a name that is none. */
export function writeElement(element: XmlElement, ns = ''): string {
  if (!kName.test(element.name)) throw new XmlError('malformed');
  const own = element.ns || ns;
  let text = `<${element.name}`;
  if (own !== ns) text += ` xmlns="${escaped(own)}"`;
  for (const [key, value] of Object.entries(element.attrs)) {
    if (!kName.test(key)) throw new XmlError('malformed');
    text += ` ${key}="${escaped(value)}"`;
  }
  if (!element.children.length) return `${text}/>`;
  text += '>';
  for (const one of element.children) text += typeof one === 'string' ? escaped(one) : writeElement(one, own);
  return `${text}</${element.name}>`;
}
