import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { randomBytes } from '../../../web/keys/bytes';
import { SenderKey } from '../../../web/keys/sender_key';
import { type KeyMessage, kMaxRatchets, SenderKeys } from '../../../web/keys/sender_keys';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('sender key', () => {
  const options = { secret: randomBytes(32), room: 'room-one', member: 'A'.repeat(22), keyIndex: 3 };

  it('ratchets exactly as JFrame does', async () => {
    const key = await SenderKey.create(options);
    const before = key.material();
    await key.ratchet();
    // RFC 5869 by hand, one block.
    const prk = createHmac('sha256', 'JFrameRatchetKey').update(before).digest();
    expect(hex(key.material())).toBe(
      createHmac('sha256', prk)
        .update(Buffer.from([1]))
        .digest('hex'),
    );
    expect(key.generation).toBe(1);
  });

  it('is fresh for every call although the secret is the same', async () => {
    const one = await SenderKey.create(options);
    const two = await SenderKey.create(options);
    expect(hex(one.material())).not.toBe(hex(two.material()));
  });

  it('is all zeros after wipe', async () => {
    const key = await SenderKey.create(options);
    key.wipe();
    expect(hex(key.material())).toBe('00'.repeat(32));
  });
});

/** Members that acknowledge (or not), and an engine that records what it was told. */
function harness({ acknowledge = true, ratchetFails = false, renewOnJoin = false } = {}) {
  const secret = randomBytes(32);
  const log: string[] = [];
  const sent = new Map<string, Array<KeyMessage & { hex: string }>>();
  let engine = { index: -1, material: '' };
  const silent = new Set<string>();
  const keys: SenderKeys = new SenderKeys({
    create: (keyIndex) => SenderKey.create({ secret, room: 'room-one', member: 'M'.repeat(22), keyIndex }),
    install: async (index, material) => {
      engine = { index, material: hex(material) };
      log.push(`install ${index}`);
    },
    ratchet: async () => {
      if (ratchetFails) throw new Error('no');
      const prk = createHmac('sha256', 'JFrameRatchetKey').update(Buffer.from(engine.material, 'hex')).digest();
      engine.material = createHmac('sha256', prk)
        .update(Buffer.from([1]))
        .digest('hex');
      log.push('ratchet');
    },
    renewOnJoin: () => renewOnJoin,
    drop: async (index) => void log.push(`drop ${index}`),
    send: (member, message) => {
      const list = sent.get(member) ?? [];
      list.push({ ...message, hex: hex(message.material) });
      sent.set(member, list);
      log.push(`send ${member} ${message.index}`);
      if (acknowledge && !silent.has(member)) queueMicrotask(() => keys.acknowledge(member, message.epoch));
    },
    failed: (error) => log.push(`failed ${error}`),
  });
  const last = (member: string) => sent.get(member)?.at(-1);
  return { keys, log, sent, last, silent, engine: () => engine };
}

describe('sender keys', () => {
  // Real WebCrypto works on other threads: the clock stands still while a call is under way.
  let underWay = 0;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    for (const name of ['importKey', 'deriveBits'] as const) {
      const original = crypto.subtle[name].bind(crypto.subtle) as (...args: unknown[]) => Promise<never>;
      vi.spyOn(crypto.subtle, name).mockImplementation((...args: unknown[]) => {
        underWay++;
        return original(...args).finally(() => underWay--);
      });
    }
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  async function pass(ms: number) {
    for (let i = 0; i < ms; i += 50) {
      vi.advanceTimersByTime(50);
      let quiet = 0;
      while (quiet < 3) {
        await new Promise<void>((done) => setImmediate(done));
        quiet = underWay > 0 ? 0 : quiet + 1;
      }
    }
  }

  it('hands the first key to those who are there without ratcheting', async () => {
    const h = harness();
    await h.keys.start();
    h.keys.admit('a');
    h.keys.admit('b');
    await pass(300);
    expect(h.log).toEqual(['install 0', 'send a 0', 'send b 0']);
    expect(h.last('a')?.hex).toBe(h.engine().material);
    expect(h.keys.hasKey('a')).toBe(true);
    expect(h.keys.changing).toBe(false);
  });

  // R9. Seen to fail when the ratchet before handing out is removed.
  it('gives a joiner only the ratcheted state, and nothing to the others', async () => {
    const h = harness();
    await h.keys.start();
    h.keys.admit('a');
    await pass(300);
    const before = h.engine().material;
    h.keys.admit('b');
    await pass(300);
    expect(h.log.slice(2)).toEqual(['ratchet', 'send b 0']);
    expect(h.last('b')?.hex).not.toBe(before);
    expect(h.last('b')?.hex).toBe(h.engine().material);
    expect(h.sent.get('a')?.length).toBe(1);
  });

  // R9. Seen to fail when the leaver is kept among those who get the new key.
  it('gives a new key under the next index to those who remain when someone leaves', async () => {
    const h = harness();
    await h.keys.start();
    h.keys.admit('a');
    h.keys.admit('b');
    await pass(300);
    const old = h.engine().material;
    h.keys.remove('b');
    expect([...h.keys.mayListen]).toEqual(['b']);
    await pass(300);
    expect(h.log.slice(3)).toEqual(['send a 1', 'install 1', 'drop 0']);
    expect(h.keys.mayListen.size).toBe(0);
    expect(h.engine().material).toBe(h.last('a')?.hex);
    expect(h.engine().material).not.toBe(old);
    expect(h.sent.get('b')?.length).toBe(1);
  });

  it('waits for everybody before it seals with the new key, but not for ever', async () => {
    const h = harness();
    await h.keys.start();
    for (const member of ['a', 'b', 'c']) h.keys.admit(member);
    await pass(300);
    h.silent.add('a');
    h.keys.remove('c');
    await pass(1000);
    expect(h.engine().index).toBe(0);
    expect([...h.keys.mayListen]).toEqual(['c']);
    await pass(1500);
    expect(h.engine().index).toBe(1);
    expect(h.keys.mayListen.size).toBe(0);
    expect(h.keys.hasKey('a')).toBe(false);
    expect(h.keys.hasKey('b')).toBe(true);
  });

  it('sends again to who does not answer, and gives up in the end', async () => {
    const h = harness({ acknowledge: false });
    await h.keys.start();
    h.keys.admit('a');
    await pass(30_000);
    expect(h.sent.get('a')?.length).toBe(11);
    h.keys.resync();
    await pass(100);
    expect(h.sent.get('a')?.length).toBe(12);
  });

  // R24. Seen to fail with joinMs and leaveMs = 0.
  it('answers a crowd of joins and leaves with one change', async () => {
    const h = harness();
    await h.keys.start();
    for (const member of ['a', 'b', 'c']) h.keys.admit(member);
    await pass(300);
    h.log.length = 0;
    h.keys.remove('a');
    await pass(50);
    h.keys.remove('b');
    h.keys.admit('d');
    await pass(50);
    h.keys.admit('e');
    await pass(400);
    expect(h.log).toEqual(['send c 1', 'send d 1', 'send e 1', 'install 1', 'drop 0']);
  });

  it('does not let a leaver of the last moment keep the newest key', async () => {
    const h = harness();
    await h.keys.start();
    for (const member of ['a', 'b', 'c']) h.keys.admit(member);
    await pass(300);
    h.silent.add('b');
    h.keys.remove('c');
    await pass(300); // the new key went to a and b; b has not answered
    h.keys.remove('b');
    await pass(600);
    expect(h.keys.mayListen.size).toBe(0);
    expect(h.engine().index).toBe(2);
    expect(h.sent.get('b')?.some((message) => message.hex === h.engine().material)).toBe(false);
    expect(h.last('a')?.hex).toBe(h.engine().material);
  });

  it('takes a new key when the engine cannot ratchet, and after many ratchets', async () => {
    const failing = harness({ ratchetFails: true });
    await failing.keys.start();
    failing.keys.admit('a');
    await pass(300);
    failing.keys.admit('b');
    await pass(400);
    expect(failing.engine().index).toBe(1);
    expect(failing.last('b')?.hex).toBe(failing.engine().material);

    const h = harness();
    await h.keys.start();
    for (let i = 0; i <= kMaxRatchets + 1; i++) {
      h.keys.admit(`m${i}`);
      await pass(300);
    }
    expect(h.log.filter((line) => line === 'ratchet').length).toBe(kMaxRatchets);
    expect(h.engine().index).toBe(1);
    expect(h.last('m0')?.index).toBe(1);
  });

  it('does not change keys for someone who never got one', async () => {
    const h = harness();
    await h.keys.start();
    h.keys.admit('a');
    h.keys.remove('a');
    await pass(300);
    expect(h.log).toEqual(['install 0']);
    expect(h.keys.changing).toBe(false);
  });

  it('ignores acknowledgements that cannot be', async () => {
    const h = harness({ acknowledge: false });
    await h.keys.start();
    h.keys.admit('a');
    await pass(300);
    h.keys.acknowledge('a', 99);
    h.keys.acknowledge('a', 0);
    h.keys.acknowledge('stranger', 1);
    expect(h.keys.hasKey('a')).toBe(false);
    h.keys.acknowledge('a', 1);
    expect(h.keys.hasKey('a')).toBe(true);
  });

  it('is silent after close', async () => {
    const h = harness();
    await h.keys.start();
    h.keys.admit('a');
    h.keys.close();
    await pass(500);
    expect(h.log).toEqual(['install 0']);
  });

  it('changes nothing for those who were in the call before us, however late their sessions come', async () => {
    const h = harness({ renewOnJoin: true });
    await h.keys.start();
    h.keys.admit('a', true);
    await pass(300);
    h.keys.admit('b', true);
    await pass(300);
    expect(h.log).toEqual(['install 0', 'send a 0', 'send b 0']);
    // A real newcomer among them counts.
    h.keys.admit('c', true);
    h.keys.admit('d');
    await pass(300);
    expect(h.log).toContain('install 1');
  });

  it('takes a new key for a newcomer when somebody here cannot follow a ratchet', async () => {
    const h = harness({ renewOnJoin: true });
    await h.keys.start();
    h.keys.admit('a');
    await pass(300);
    h.keys.admit('b');
    await pass(300);
    expect(h.log).not.toContain('ratchet');
    expect(h.log.slice(2)).toEqual(['send a 1', 'send b 1', 'install 1', 'drop 0']);
  });

  it('waits once for somebody who answers no more, and then not again', async () => {
    const h = harness({ renewOnJoin: true });
    await h.keys.start();
    h.keys.admit('a');
    h.keys.admit('gone');
    await pass(300);
    h.silent.add('gone');
    h.keys.admit('b');
    await pass(1000);
    expect(h.log).not.toContain('install 1');
    await pass(1500);
    expect(h.log).toContain('install 1');
    h.keys.admit('c');
    await pass(300);
    expect(h.log).toContain('install 2');
  });
});
