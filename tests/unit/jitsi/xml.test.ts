import { describe, expect, it } from 'vitest';
import { checkXmlText, elements, kXmlLimits, writeElement, type XmlElement, XmlError, x } from '../../../web/jitsi/xml';
import { parse, recorded, recordedNames } from './support/xml';

describe('stanzas', () => {
  it('reads every recorded stanza, and writes it so that it reads the same', () => {
    const all = recordedNames();
    expect(all.length).toBeGreaterThan(140);
    for (const name of all) {
      const stanza = recorded(name);
      expect(parse(writeElement(stanza)), name).toEqual(stanza);
    }
  });

  it('escapes what would end a text or an attribute', () => {
    const nasty = `"><x y='1'/>&amp;]]>`;
    const stanza = x('message', { to: nasty, xmlns: 'jabber:client' }, x('body', {}, nasty));
    const back = parse(writeElement(stanza));
    expect(back.attrs.to).toBe(nasty);
    expect(elements(back)).toHaveLength(1);
    expect(elements(back)[0]?.children).toEqual([nasty]);
  });

  it('leaves out what XML cannot carry', () => {
    expect(parse(writeElement(x('a', { xmlns: 'n' }, 'b\u0000\ud800c'))).children).toEqual(['bc']);
  });

  it('refuses names that are none', () => {
    for (const name of ['a b', '<', '', '1a', 'a"b']) expect(() => writeElement(x(name))).toThrow(XmlError);
    expect(() => writeElement(x('a', { 'b="1" c': 'd' }))).toThrow(XmlError);
  });

  it('keeps __proto__ an ordinary attribute', () => {
    const stanza = parse('<a __proto__="1" constructor="2"/>');
    expect(Object.keys(stanza.attrs)).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>).a).toBeUndefined();
  });

  it('refuses document types and too much of anything', () => {
    expect(() => checkXmlText('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')).toThrow('declaration');
    expect(() => checkXmlText('<a><!ENTITY b "c"></a>')).toThrow('declaration');
    expect(() => checkXmlText('<a><![CDATA[b]]></a>')).not.toThrow();
    expect(() => checkXmlText('x'.repeat(kXmlLimits.length + 1))).toThrow('too-long');
    const deep = (depth: number): string => (depth ? `<a>${deep(depth - 1)}</a>` : '');
    expect(() => parse(deep(kXmlLimits.depth))).not.toThrow();
    expect(() => parse(deep(kXmlLimits.depth + 1))).toThrow('too-deep');
    expect(() => parse(`<a>${'<b/>'.repeat(kXmlLimits.elements)}</a>`)).toThrow('too-many');
    const many: string[] = Array.from({ length: kXmlLimits.attributes + 1 }, (_, index) => `a${index}="1"`);
    expect(() => parse(`<a ${many.join(' ')}/>`)).toThrow('too-many');
  });

  it('has the namespace of the parent when none is given', () => {
    const tree: XmlElement = parse(
      writeElement(x('iq', { xmlns: 'jabber:client' }, x('query', { xmlns: 'q' }, x('item')))),
    );
    expect(elements(elements(tree)[0])[0]?.ns).toBe('q');
  });
});
