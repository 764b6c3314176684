import { afterEach, describe, expect, it, vi } from 'vitest';
import { KeyExchange } from '../../../web/jitsi/key_exchange';
import { loadOlm, type Olm } from '../../../web/jitsi/olm';
import { sasCodes } from '../../../web/jitsi/sas';
import type { KeyExchangeEvents, Occupant, SasState } from '../../../web/jitsi/types';

type Json = Record<string, unknown>;
interface Sent {
  from: string;
  to: string;
  data: Json;
}

const olm: Olm = await loadOlm();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** One client with its engine's keys written down instead of used. */
class Client {
  readonly sendKeys = new Map<number, string>();
  readonly receiveKeys = new Map<string, Map<number, string>>();
  current = -1;
  generation = 0;
  readonly problems: KeyExchangeEvents['problem'][] = [];
  readonly sealed: unknown[] = [];
  readonly verified: string[] = [];
  sas: SasState | undefined;
  readonly keys: KeyExchange;

  constructor(
    readonly room: Room,
    readonly id: string,
    readonly siegel: boolean,
  ) {
    this.keys = new KeyExchange({
      olm,
      room: 'room',
      joinMs: 1,
      leaveMs: 1,
      failed: (error) => {
        throw error;
      },
      send: (to, data) => room.send({ from: id, to, data: data as Json }),
      cipher: {
        setKey: async ({ participant, usage, keyIndex, material }) => {
          if (usage === 'send') {
            this.sendKeys.set(keyIndex, hex(material));
            this.current = keyIndex;
            this.generation = 0;
          } else {
            const keys = this.receiveKeys.get(participant) ?? new Map<number, string>();
            this.receiveKeys.set(participant, keys);
            keys.set(keyIndex, hex(material));
          }
        },
        ratchet: async () => ++this.generation,
        dropKey: async (participant, usage, keyIndex) => {
          if (usage === 'send') this.sendKeys.delete(keyIndex);
          else this.receiveKeys.get(participant)?.delete(keyIndex);
        },
        removeParticipant: (participant) => {
          this.receiveKeys.delete(participant);
        },
      },
    });
    this.keys.on('problem', (problem) => this.problems.push(problem));
    this.keys.on('sealed', ({ data }) => this.sealed.push(data));
    this.keys.on('verified', ({ id: peer }) => this.verified.push(peer));
    this.keys.on('sas', (state) => {
      this.sas = state;
    });
  }

  occupant(changes: Partial<Occupant> = {}): Occupant {
    return {
      id: this.id,
      name: this.id,
      role: 'participant',
      affiliation: 'none',
      focus: false,
      hidden: false,
      features: new Set(),
      e2ee: true,
      e2eeEnabled: true,
      idKeys: this.keys.idKeys,
      sources: new Map(),
      hand: false,
      siegel: this.siegel,
      ...changes,
    };
  }
}

/** Private messages, which a server may read, change and repeat. */
class Room {
  readonly clients = new Map<string, Client>();
  readonly log: Sent[] = [];
  tamper: ((message: Sent) => Sent | undefined) | undefined;

  send(message: Sent): void {
    const copy = JSON.parse(JSON.stringify(message)) as Sent;
    const out = this.tamper ? this.tamper(copy) : copy;
    this.log.push(copy);
    if (out) queueMicrotask(() => this.deliver(out));
  }

  deliver({ from, to, data }: Sent): void {
    this.clients.get(to)?.keys.receive(from, data);
  }

  async join(id: string, siegel = true): Promise<Client> {
    const client = new Client(this, id, siegel);
    await client.keys.start(id);
    for (const other of this.clients.values()) {
      other.keys.occupantJoined(client.occupant());
      client.keys.occupantJoined(other.occupant());
    }
    this.clients.set(id, client);
    return client;
  }

  leave(id: string): void {
    this.clients.get(id)?.keys.stop();
    this.clients.delete(id);
    for (const other of this.clients.values()) other.keys.occupantLeft(id);
  }

  messages(type: string): Sent[] {
    return this.log.filter((one) => (one.data.olm as Json).type === type);
  }
}

/** Everybody holds the current key of everybody, in its right index. */
async function complete(...clients: Client[]): Promise<void> {
  await vi.waitFor(
    () => {
      for (const one of clients) {
        for (const other of clients) {
          if (one !== other) expect(one.receiveKeys.get(other.id)?.has(other.current)).toBe(true);
          if (one !== other) expect(other.keys.recipients).toContain(one.id);
        }
      }
    },
    { timeout: 5000 },
  );
}

const rooms: Room[] = [];
const newRoom = (): Room => {
  const room = new Room();
  rooms.push(room);
  return room;
};
afterEach(() => {
  for (const room of rooms.splice(0)) for (const client of room.clients.values()) client.keys.stop();
});

describe('key exchange', () => {
  it('has a key in use before anybody is there', async () => {
    const a = await newRoom().join('aaaa0001');
    expect(a.current).toBe(0);
    expect(a.sendKeys.size).toBe(1);
  });

  it('gives two clients each other’s keys; the smaller id begins', async () => {
    const room = newRoom();
    const b = await room.join('bbbb0002');
    const a = await room.join('aaaa0001');
    await complete(a, b);
    expect(b.receiveKeys.get(a.id)?.get(0)).toBe(a.sendKeys.get(0));
    expect(room.messages('session-init').map((one) => one.from)).toEqual([a.id]);
    expect([...a.problems, ...b.problems]).toEqual([]);
  });

  it('never puts a key or its text on the wire', async () => {
    const room = newRoom();
    const a = await room.join('aaaa0001');
    const b = await room.join('bbbb0002');
    await complete(a, b);
    const wire = JSON.stringify(room.log);
    for (const key of [...a.sendKeys.values(), ...b.sendKeys.values()]) {
      expect(wire).not.toContain(key);
      expect(wire).not.toContain(Buffer.from(key, 'hex').toString('base64'));
    }
  });

  it('ratchets for who joins, and renews under the next index when somebody leaves', async () => {
    const room = newRoom();
    const a = await room.join('aaaa0001');
    const b = await room.join('bbbb0002');
    await complete(a, b);
    const first = a.sendKeys.get(0);
    const c = await room.join('cccc0003');
    await complete(a, b, c);
    expect(a.generation).toBe(1);
    // The newcomer's copy is not the one from which earlier frames could be opened.
    expect(c.receiveKeys.get(a.id)?.get(0)).not.toBe(first);
    const rotated: number[] = [];
    a.keys.on('rotated', ({ keyIndex }) => rotated.push(keyIndex));
    room.leave('bbbb0002');
    await vi.waitFor(() => expect(a.current).toBe(1));
    await complete(a, c);
    expect(rotated).toEqual([1]);
    expect(a.receiveKeys.has('bbbb0002')).toBe(false);
    expect(c.receiveKeys.get(a.id)?.get(1)).toBe(a.sendKeys.get(1));
  });

  it('goes round the ring of sixteen', async () => {
    const room = newRoom();
    const a = await room.join('aaaa0001');
    for (let index = 1; index <= 17; ++index) {
      const b = await room.join(`bbbb${1000 + index}`);
      await complete(a, b);
      room.leave(b.id);
      await vi.waitFor(() => expect(a.current).toBe(index % 16));
    }
  });

  it('works with a client that announces no keys and signs nothing, as those of 2021', async () => {
    const room = newRoom();
    room.tamper = (message) => {
      const inner = message.data.olm as { data: Json };
      if (message.from === 'bbbb0002' || message.from === 'aaaa0000') {
        delete inner.data.signature;
        delete inner.data.idKey;
      }
      return message;
    };
    const a = await room.join('aaaa0001');
    const old = new Client(room, 'bbbb0002', false);
    await old.keys.start(old.id);
    old.keys.occupantJoined(a.occupant({ siegel: false }));
    a.keys.occupantJoined(old.occupant({ idKeys: { curve25519: old.keys.idKeys.curve25519 } }));
    room.clients.set(old.id, old);
    await complete(a, old);
    expect(a.problems).toEqual([]);
  });

  it('takes sealed messages from Siegel clients only, and only once', async () => {
    const room = newRoom();
    const a = await room.join('aaaa0001');
    const b = await room.join('bbbb0002');
    await complete(a, b);
    expect(a.keys.sendSealed({ chat: 'hello' })).toEqual([b.id]);
    await vi.waitFor(() => expect(b.sealed).toEqual([{ chat: 'hello' }]));
    room.deliver(room.messages('siegel-sealed')[0] as Sent);
    await vi.waitFor(() => expect(b.problems).toEqual([{ id: a.id, problem: 'replayed' }]));
    expect(b.sealed).toHaveLength(1);
  });
});

describe('against the server', () => {
  const pair = async (): Promise<{ room: Room; a: Client; b: Client }> => {
    const room = newRoom();
    const a = await room.join('aaaa0001');
    const b = await room.join('bbbb0002');
    await complete(a, b);
    return { room, a, b };
  };

  it('does not take a session-ack, session-init, key-info or acknowledgement twice', async () => {
    const { room, a, b } = await pair();
    const before = b.receiveKeys.get(a.id)?.get(0);
    for (const type of ['session-ack', 'session-init', 'key-info', 'key-info-ack']) {
      const message = room.messages(type)[0] as Sent;
      const hit = room.clients.get(message.to) as Client;
      const count = hit.problems.length;
      room.deliver(message);
      await vi.waitFor(() => expect(hit.problems.length, type).toBe(count + 1));
      expect(hit.problems.at(-1)?.problem, type).toMatch(/replayed|forged/);
    }
    expect(b.receiveKeys.get(a.id)?.get(0)).toBe(before);
    // And the session still works.
    room.leave('nobody');
    a.keys.sendSealed('still here');
    await vi.waitFor(() => expect(b.sealed).toEqual(['still here']));
  });

  it('does not take a forged key-info', async () => {
    const { room, a, b } = await pair();
    const genuine = room.messages('key-info').find((one) => one.from === a.id) as Sent;
    const forged = JSON.parse(JSON.stringify(genuine)) as { from: string; to: string; data: { olm: { data: Json } } };
    forged.data.olm.data.uuid = 'new';
    (forged.data.olm.data.ciphertext as Json).body = Buffer.from('nonsense').toString('base64');
    room.deliver(forged as unknown as Sent);
    await vi.waitFor(() => expect(b.problems.at(-1)?.problem).toBe('forged'));
    expect(b.receiveKeys.get(a.id)?.size).toBe(1);
  });

  it('does not make a session with keys that the server put in', async () => {
    const room = newRoom();
    const evil = new olm.Account();
    evil.create();
    evil.generate_one_time_keys(1);
    const evilKey = Object.values((JSON.parse(evil.one_time_keys()) as { curve25519: Json }).curve25519)[0];
    room.tamper = (message) => {
      const inner = message.data.olm as { type: string; data: Json };
      // The identity stays what presence says, so only the signature tells.
      if (inner.type === 'session-init') inner.data.otKey = evilKey;
      return message;
    };
    await room.join('aaaa0001');
    const b = await room.join('bbbb0002');
    await vi.waitFor(() => expect(b.problems.at(-1)?.problem).toBe('bad-signature'));
    expect(b.receiveKeys.size).toBe(0);
    expect(b.keys.recipients).toEqual([]);
    evil.free();
  });

  it('wants a signature from a Siegel client', async () => {
    const room = newRoom();
    room.tamper = (message) => {
      delete (message.data.olm as { data: Json }).data.signature;
      return message;
    };
    await room.join('aaaa0001');
    const b = await room.join('bbbb0002');
    await vi.waitFor(() => expect(b.problems.at(-1)?.problem).toBe('bad-signature'));
  });

  it('blocks a member whose identity key is replaced during its stay', async () => {
    const { a, b } = await pair();
    const other = new olm.Account();
    other.create();
    const { curve25519, ed25519 } = JSON.parse(other.identity_keys()) as { curve25519: string; ed25519: string };
    a.keys.occupantChanged(b.occupant({ idKeys: { curve25519, ed25519 } }));
    expect(a.problems).toEqual([{ id: b.id, problem: 'identity-changed' }]);
    expect(a.receiveKeys.has(b.id)).toBe(false);
    expect(a.keys.keyIndexOf(b.id)).toBeUndefined();
    // It counts as gone: a new key follows that it does not get.
    await vi.waitFor(() => expect(a.current).toBe(1));
    expect(a.keys.recipients).toEqual([]);
    other.free();
  });

  it('keeps a session that a stock client began before its presence said that encryption is on', async () => {
    const room = new Room();
    const stock = new Client(room, 'aaaa0001', false);
    await stock.keys.start(stock.id);
    const b = new Client(room, 'bbbb0002', true);
    await b.keys.start(b.id);
    room.clients.set(stock.id, stock).set(b.id, b);
    const { e2eeEnabled: _, ...silent } = stock.occupant();
    b.keys.occupantJoined(silent);
    stock.keys.occupantJoined(b.occupant());
    await complete(stock, b);
    b.keys.occupantChanged(stock.occupant());
    await room.join('cccc0003');
    // A newcomer means a new key, because stock clients do not follow a ratchet; it gets there.
    await vi.waitFor(() => expect(b.current).toBe(1));
    expect(stock.receiveKeys.get(b.id)?.get(1)).toBe(b.sendKeys.get(1));
    expect(b.generation).toBe(0);
  });

  it('gives up the session of a stock client that switched encryption off and on: it has no key of ours any more', async () => {
    const room = new Room();
    const stock = await room.join('aaaa0001', false);
    const b = await room.join('bbbb0002');
    await complete(stock, b);
    b.keys.occupantChanged(stock.occupant({ e2eeEnabled: false }));
    expect(b.keys.recipients).toEqual([stock.id]);
    b.keys.occupantChanged(stock.occupant());
    expect(b.keys.recipients).toEqual([]);
    await vi.waitFor(() => expect(b.current).toBe(1));
  });

  it('does nothing when somebody’s presence says that encryption is off', async () => {
    const { a, b } = await pair();
    const before = JSON.stringify([...a.sendKeys, ...(a.receiveKeys.get(b.id) ?? [])]);
    a.keys.occupantChanged(b.occupant({ e2eeEnabled: false }));
    a.keys.sendSealed('still sealed');
    await vi.waitFor(() => expect(b.sealed).toEqual(['still sealed']));
    expect(JSON.stringify([...a.sendKeys, ...(a.receiveKeys.get(b.id) ?? [])])).toBe(before);
    expect(a.problems).toEqual([]);
  });

  it('survives whatever JSON comes', async () => {
    const { room, a, b } = await pair();
    const nasty: unknown[] = [null, 1, 'x', [], {}, { __proto__: { type: 'olm' } }, { type: 1 }, 'x'.repeat(10_000)];
    for (const type of [
      'session-init',
      'session-ack',
      'key-info',
      'key-info-ack',
      'sas-start',
      'sas-key',
      'sas-mac',
      'x',
    ]) {
      for (const data of nasty) {
        for (const field of ['uuid', 'idKey', 'otKey', 'ciphertext', 'transactionId', 'key', 'mac', 'keys']) {
          b.keys.receive(a.id, { type: 'olm', olm: { type, data: { uuid: `u${Math.random()}`, [field]: data } } });
        }
        b.keys.receive(a.id, { type: 'olm', olm: { type, data } });
      }
    }
    expect(b.receiveKeys.get(a.id)?.get(0)).toBe(a.sendKeys.get(0));
    // A flood spends its sender's allowance, and nobody else's.
    const c = await room.join('cccc0003');
    await vi.waitFor(() => expect(b.receiveKeys.get(c.id)?.size).toBe(1), { timeout: 5000 });
  });

  it('ignores people who are not in the room', async () => {
    const { room, b } = await pair();
    const message = room.messages('key-info')[0] as Sent;
    b.keys.receive('dddd0004', message.data);
    expect(b.receiveKeys.has('dddd0004')).toBe(false);
  });
});

describe('comparing codes', () => {
  const pair = async (siegel = true): Promise<{ room: Room; a: Client; b: Client }> => {
    const room = newRoom();
    const a = await room.join('aaaa0001', siegel);
    const b = await room.join('bbbb0002', siegel);
    await complete(a, b);
    return { room, a, b };
  };

  it('shows both the same, and both are verified', async () => {
    for (const [first, second] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const { a, b } = await pair();
      const both = [a, b];
      (both[first] as Client).keys.startVerification((both[second] as Client).id);
      await vi.waitFor(() => expect([a.sas?.stage, b.sas?.stage]).toEqual(['compare', 'compare']));
      expect(a.sas?.emoji).toEqual(b.sas?.emoji);
      expect(a.sas?.decimal).toEqual(b.sas?.decimal);
      expect(a.sas?.emoji).toHaveLength(7);
      a.keys.answerVerification(true);
      expect(a.verified).toEqual([]);
      b.keys.answerVerification(true);
      await vi.waitFor(() => expect([a.verified, b.verified]).toEqual([[b.id], [a.id]]));
    }
  });

  it('ends in failure for both when one says that they differ', async () => {
    const { a, b } = await pair();
    a.keys.startVerification(b.id);
    await vi.waitFor(() => expect(b.sas?.stage).toBe('compare'));
    b.keys.answerVerification(false);
    expect(b.sas).toMatchObject({ stage: 'failed', reason: 'mismatch' });
    expect(a.verified).toEqual([]);
  });

  it('fails when the server changes a key on the way, whatever the people say', async () => {
    const { room, a, b } = await pair();
    const evil = new olm.SAS();
    room.tamper = (message) => {
      const inner = message.data.olm as { type: string; data: Json };
      if (inner.type === 'sas-key' && message.from === b.id) inner.data.key = evil.get_pubkey();
      return message;
    };
    a.keys.startVerification(b.id);
    await vi.waitFor(() => expect(a.sas).toMatchObject({ stage: 'failed', reason: 'mismatch' }));
    evil.free();
  });

  it('fails when the MAC is of another identity', async () => {
    const { room, a, b } = await pair();
    room.tamper = (message) => {
      const inner = message.data.olm as { type: string; data: { mac?: Json } };
      if (inner.type === 'sas-mac' && inner.data.mac) {
        for (const id of Object.keys(inner.data.mac)) inner.data.mac[id] = 'A'.repeat(43);
      }
      return message;
    };
    a.keys.startVerification(b.id);
    await vi.waitFor(() => expect([a.sas?.stage, b.sas?.stage]).toEqual(['compare', 'compare']));
    a.keys.answerVerification(true);
    b.keys.answerVerification(true);
    await vi.waitFor(() => expect([a.sas?.stage, b.sas?.stage]).toEqual(['failed', 'failed']));
    expect([...a.verified, ...b.verified]).toEqual([]);
  });

  it('fails when the proof of the curve25519 key is taken out', async () => {
    const { room, a, b } = await pair();
    room.tamper = (message) => {
      const inner = message.data.olm as { type: string; data: { mac?: Json } };
      for (const id of Object.keys(inner.data.mac ?? {})) if (id.startsWith('curve')) delete inner.data.mac?.[id];
      return message;
    };
    a.keys.startVerification(b.id);
    await vi.waitFor(() => expect([a.sas?.stage, b.sas?.stage]).toEqual(['compare', 'compare']));
    a.keys.answerVerification(true);
    b.keys.answerVerification(true);
    await vi.waitFor(() => expect([a.sas?.stage, b.sas?.stage]).toEqual(['failed', 'failed']));
  });

  it('has the table of the Matrix specification', () => {
    const zero = sasCodes(new Uint8Array(6));
    expect(zero.decimal).toEqual([1000, 1000, 1000]);
    expect(zero.emoji.map((one) => one.name)).toEqual(Array(7).fill('Dog'));
    const ones = sasCodes(new Uint8Array(6).fill(255));
    expect(ones.decimal).toEqual([9191, 9191, 9191]);
    expect(ones.emoji[0]).toEqual({ symbol: '📌', name: 'Pin' });
  });
});
