import { describe, expect, it } from 'vitest';
import { fromBase64Url, randomBytes, toBase64Url } from '../../../web/keys/bytes';
import { Invitation, parseInvitation, parsePastedLink, takeInvitation } from '../../../web/keys/invitation';

const kOrigin = 'https://meet.example';
const secretText = toBase64Url(randomBytes(32));

describe('invitation link', () => {
  it('comes back from its own text with the same room and secret', () => {
    const invitation = Invitation.create();
    const parsed = parsePastedLink(`  ${invitation.toLink(kOrigin)}\n`, kOrigin);
    expect(parsed).toBeInstanceOf(Invitation);
    expect(parsed).toEqual(invitation);
  });

  it('has the secret in the fragment only, 256 bits, new every time', () => {
    const url = new URL(Invitation.create().toLink(kOrigin));
    expect(url.search).toBe('');
    expect(fromBase64Url(url.hash.slice(1))?.length).toBe(32);
    expect(Invitation.create().toLink(kOrigin)).not.toBe(Invitation.create().toLink(kOrigin));
  });

  it.each([
    ['/call/', `#${secretText}`, 'no-room'],
    ['/', '', 'no-room'],
    ['/call/short', `#${secretText}`, 'bad-room'],
    [`/call/${'x'.repeat(65)}`, `#${secretText}`, 'bad-room'],
    ['/call/room%20with%20blank', `#${secretText}`, 'bad-room'],
    ['/call/abcdefgh', '', 'no-secret'],
    ['/call/abcdefgh', '#', 'no-secret'],
    ['/call/abcdefgh', `#${secretText.slice(1)}`, 'bad-secret'],
    ['/call/abcdefgh', `#${secretText}A`, 'bad-secret'],
    ['/call/abcdefgh', `#${secretText.slice(0, 42)}+`, 'bad-secret'],
    ['/call/abcdefgh', `#${'A'.repeat(42)}B`, 'bad-secret'], // left-over bits: not canonical
  ])('names what is wrong with %s %s', (pathname, hash, problem) => {
    expect(parseInvitation({ pathname, hash })).toBe(problem);
  });

  it('refuses pasted texts that are no link of this site', () => {
    expect(parsePastedLink('hello', kOrigin)).toBe('not-a-link');
    expect(parsePastedLink('javascript:alert(1)', kOrigin)).toBe('other-site');
    expect(parsePastedLink(`https://evil.example/call/abcdefgh#${secretText}`, kOrigin)).toBe('other-site');
    expect(parsePastedLink(`http://meet.example/call/abcdefgh#${secretText}`, kOrigin)).toBe('other-site');
  });

  it('clears the address bar whether the link is good or not', () => {
    for (const hash of [`#${secretText}`, '#nonsense']) {
      const replaced: unknown[] = [];
      const location = { pathname: '/call/abcdefgh', hash, search: '' } as Location;
      takeInvitation(location, { replaceState: (...args: unknown[]) => replaced.push(args) } as unknown as History);
      expect(replaced).toEqual([[null, '', '/call/abcdefgh']]);
    }
  });

  it('is all zeros after wipe', () => {
    const invitation = Invitation.create();
    invitation.wipe();
    expect(invitation.secret.every((byte) => byte === 0)).toBe(true);
  });
});

describe('base64url', () => {
  it('round-trips every length and refuses other alphabets', () => {
    for (let length = 0; length < 70; length++) {
      const bytes = randomBytes(length);
      expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes);
    }
    for (const text of ['A', 'AB=', 'A+', 'A/', 'ä', 'AB', 'A A']) expect(fromBase64Url(text)).toBeNull();
    expect(fromBase64Url('AA')).toEqual(new Uint8Array(1));
  });
});
