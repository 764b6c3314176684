import { describe, expect, it } from 'vitest';
import { randomBytes, toBase64Url } from '../../../web/keys/bytes';
import { createIdentity, Handshake, type Identity } from '../../../web/keys/handshake';

const kRoom = 'room-one';
const kA = 'A'.repeat(22);
const kB = 'B'.repeat(22);

async function side(me: string, peer: string, secret: Uint8Array<ArrayBuffer>, room = kRoom, identity?: Identity) {
  return new Handshake({ secret, room, me, peer, identity: identity ?? (await createIdentity()) });
}

/** Runs both sides with an honest server in between. */
async function meet(a: Handshake, b: Handshake) {
  const confirmA = await a.onHello(b.hello());
  const confirmB = await b.onHello(a.hello());
  await a.onConfirm(confirmB ?? '');
  await b.onConfirm(confirmA ?? '');
  return { confirmA, confirmB };
}

describe('handshake', () => {
  it('gives both sides a channel that the other can read', async () => {
    const secret = randomBytes(32);
    const a = await side(kA, kB, secret);
    const b = await side(kB, kA, secret);
    await meet(a, b);
    expect([a.state, b.state]).toEqual(['confirmed', 'confirmed']);
    const sealed = await a.channel!.seal('{"hello":"ä"}');
    expect(await b.channel!.open(sealed)).toBe('{"hello":"ä"}');
    const back = await b.channel!.seal('x');
    expect(await a.channel!.open(back)).toBe('x');
  });

  it('says wrong-secret on both sides when the links differ', async () => {
    const a = await side(kA, kB, randomBytes(32));
    const b = await side(kB, kA, randomBytes(32));
    await meet(a, b);
    expect([a.state, b.state]).toEqual(['wrong-secret', 'wrong-secret']);
    expect(a.channel).toBeUndefined();
  });

  it('does not confirm across rooms or under another member id', async () => {
    const secret = randomBytes(32);
    const a = await side(kA, kB, secret, 'room-one');
    const b = await side(kB, kA, secret, 'room-two');
    await meet(a, b);
    expect(a.state).toBe('wrong-secret');
    const c = await side(kA, kB, secret);
    const d = await side('C'.repeat(22), kA, secret);
    await meet(c, d);
    expect(c.state).toBe('wrong-secret');
  });

  it('notices a server that exchanges a public key', async () => {
    const secret = randomBytes(32);
    const a = await side(kA, kB, secret);
    const b = await side(kB, kA, secret);
    const server = await createIdentity();
    const forged = { ...b.hello(), pub: toBase64Url(server.publicKey) };
    await a.onHello(forged);
    const confirmB = await b.onHello(a.hello());
    expect(await a.onConfirm(confirmB ?? '')).toBe('wrong-secret');
  });

  it('notices a server that exchanges a nonce', async () => {
    const secret = randomBytes(32);
    const a = await side(kA, kB, secret);
    const b = await side(kB, kA, secret);
    await a.onHello({ ...b.hello(), nonce: toBase64Url(randomBytes(16)) });
    const confirmB = await b.onHello(a.hello());
    expect(await a.onConfirm(confirmB ?? '')).toBe('wrong-secret');
  });

  it('does not accept its own messages reflected', async () => {
    const secret = randomBytes(32);
    const a = await side(kA, kB, secret);
    expect(await a.onHello(a.hello())).toBeNull();
    expect(a.state).toBe('waiting');
    // A server that answers as B and sends A's own confirmation back.
    const b = await side(kB, kA, secret);
    const confirmA = await a.onHello(b.hello());
    expect(await a.onConfirm(confirmA ?? '')).toBe('wrong-secret');
  });

  it('does not accept a confirmation of an earlier handshake', async () => {
    const secret = randomBytes(32);
    const identityA = await createIdentity();
    const identityB = await createIdentity();
    const first = await side(kA, kB, secret, kRoom, identityA);
    const { confirmB } = await meet(first, await side(kB, kA, secret, kRoom, identityB));
    // Same keys again: only the nonces are new.
    const again = await side(kA, kB, secret, kRoom, identityA);
    await again.onHello((await side(kB, kA, secret, kRoom, identityB)).hello());
    expect(await again.onConfirm(confirmB ?? '')).toBe('wrong-secret');
  });

  it('keeps to the first hello, and to the channel once confirmed', async () => {
    const secret = randomBytes(32);
    const a = await side(kA, kB, secret);
    const b = await side(kB, kA, secret);
    await meet(a, b);
    const channel = a.channel;
    const other = await side(kB, kA, secret);
    expect(await a.onHello(other.hello())).toBeNull();
    expect(await a.onConfirm(toBase64Url(randomBytes(32)))).toBe('confirmed');
    expect(a.channel).toBe(channel);
    // The same hello once more (after signalling was away) gets the same answer.
    expect(await a.onHello(b.hello())).toBe(await a.onHello(b.hello()));
  });

  it.each([
    ['points of small order', { pub: toBase64Url(new Uint8Array(32)) }, 'wrong-secret'],
    ['a short key', { pub: 'AAAA' }, 'waiting'],
    ['a short nonce', { nonce: 'AAAA' }, 'waiting'],
    ['no base64', { pub: '!'.repeat(43) }, 'waiting'],
  ])('gives no confirmation for %s', async (_name, change, state) => {
    const secret = randomBytes(32);
    const a = await side(kA, kB, secret);
    const b = await side(kB, kA, secret);
    expect(await a.onHello({ ...b.hello(), ...change })).toBeNull();
    expect(a.state).toBe(state);
    expect(a.channel).toBeUndefined();
  });
});

describe('sealed channel', () => {
  async function pair() {
    const secret = randomBytes(32);
    const a = await side(kA, kB, secret);
    const b = await side(kB, kA, secret);
    await meet(a, b);
    return [a.channel!, b.channel!] as const;
  }

  it('refuses repeated, reordered, changed and reflected messages, and goes on afterwards', async () => {
    const [a, b] = await pair();
    const one = await a.seal('one');
    const two = await a.seal('two');
    const three = await a.seal('three');
    expect(await b.open(two)).toBe('two');
    expect(await b.open(two)).toBeNull();
    expect(await b.open(one)).toBeNull();
    expect(await a.open(three)).toBeNull();
    expect(await b.open({ ...three, n: 4 })).toBeNull();
    expect(await b.open({ n: 3, box: `${three.box.startsWith('A') ? 'B' : 'A'}${three.box.slice(1)}` })).toBeNull();
    expect(await b.open({ n: 1e300, box: three.box })).toBeNull();
    expect(await b.open({ n: 2.5, box: three.box })).toBeNull();
    expect(await b.open(three)).toBe('three');
  });

  it('opens in the order of the calls', async () => {
    const [a, b] = await pair();
    const sealed = await Promise.all(['a', 'b', 'c', 'd'].map((text) => a.seal(text)));
    expect(await Promise.all(sealed.map((each) => b.open(each)))).toEqual(['a', 'b', 'c', 'd']);
  });

  it('shows little of the length', async () => {
    const [a] = await pair();
    const muted = await a.seal('{"audio":false}');
    const talking = await a.seal(`{"audio":true,"name":"${'x'.repeat(100)}"}`);
    expect(muted.box.length).toBe(talking.box.length);
  });
});
