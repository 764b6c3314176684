/**
 * Comparing codes with one other person, as the stock dialog does it: the two of them see the same seven symbols unless
 * somebody sits between. Then each proves with a MAC that the identity keys which the other saw are its own.
 *
 * Source: lib-jitsi-meet modules/e2ee/{OlmAdapter,SAS} (behaviour); the construction is that of the Matrix specification,
 * "Short Authentication String". Threads: main. Errors: reason of SasState.
 */
import type { Olm, OlmSas } from './olm';
import type { SasState } from './types';

const kMacInfo = 'Jitsi-KEY_VERIFICATION_MAC';
const kKeyIds = 'Jitsi-KEY_IDS';
const kBytes = 6;
const kLimitMs = 5 * 60_000;
const kKey = /^[A-Za-z0-9+/]{43}$/;
const kMaxMacs = 8;

/** Matrix specification, SAS method emoji: number → symbol and English name. */
const kEmoji: ReadonlyArray<readonly [string, string]> = (
  '🐶Dog 🐱Cat 🦁Lion 🐎Horse 🦄Unicorn 🐷Pig 🐘Elephant 🐰Rabbit 🐼Panda 🐓Rooster 🐧Penguin 🐢Turtle 🐟Fish 🐙Octopus ' +
  '🦋Butterfly 🌷Flower 🌳Tree 🌵Cactus 🍄Mushroom 🌏Globe 🌙Moon ☁️Cloud 🔥Fire 🍌Banana 🍎Apple 🍓Strawberry 🌽Corn 🍕Pizza ' +
  '🎂Cake ❤️Heart 😀Smiley 🤖Robot 🎩Hat 👓Glasses 🔧Spanner 🎅Santa 👍Thumbs_Up ☂️Umbrella ⌛Hourglass ⏰Clock 🎁Gift ' +
  '💡Light_Bulb 📕Book ✏️Pencil 📎Paperclip ✂️Scissors 🔒Lock 🔑Key 🔨Hammer ☎️Telephone 🏁Flag 🚂Train 🚲Bicycle ✈️Aeroplane ' +
  '🚀Rocket 🏆Trophy ⚽Ball 🎸Guitar 🎺Trumpet 🔔Bell ⚓Anchor 🎧Headphones 📁Folder 📌Pin'
)
  .split(' ')
  .map((one) => {
    const at = one.search(/[A-Z]/);
    return [one.slice(0, at), one.slice(at).replaceAll('_', ' ')] as const;
  });

/** Six bytes → seven symbols (6 bits each) and three numbers (13 bits each, plus 1000). */
export function sasCodes(bytes: Uint8Array): {
  emoji: Array<{ symbol: string; name: string }>;
  decimal: [number, number, number];
} {
  let bits = 0n;
  for (const byte of bytes.subarray(0, kBytes)) bits = (bits << 8n) | BigInt(byte);
  const emoji = Array.from({ length: 7 }, (_, index) => {
    const [symbol, name] = kEmoji[Number((bits >> BigInt(42 - 6 * index)) & 63n)] as readonly [string, string];
    return { symbol, name };
  });
  const part = (shift: number): number => Number((bits >> BigInt(shift)) & 8191n) + 1000;
  return { emoji, decimal: [part(35), part(22), part(9)] };
}

export interface SasParty {
  olm: Olm;
  me: string;
  peer: string;
  own: { ed25519: string; curve25519: string };
  /** What presence said at the time the session was made. */
  theirs: { ed25519: string; curve25519: string };
  /** The other side also proves its curve25519 key (after #3110). */
  bindsCurve: boolean;
  send(type: 'sas-start' | 'sas-accept' | 'sas-key' | 'sas-mac', data: Record<string, unknown>): void;
  changed(state: SasState): void;
  /** The identity keys are theirs. */
  verified(): void;
}

export class SasExchange {
  readonly #party: SasParty;
  readonly #sas: OlmSas;
  #transactionId = '';
  #start: Record<string, unknown> | undefined;
  #initiator = false;
  #commitment: string | undefined;
  #keySent = false;
  #theirKey = false;
  #macSent = false;
  #theirMac: { keys: string; mac: ReadonlyMap<string, string> } | undefined;
  #state: SasState;
  #over = false;
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(party: SasParty) {
    this.#party = party;
    this.#sas = new party.olm.SAS();
    this.#state = { member: party.peer, stage: 'waiting' };
    this.#timer = setTimeout(() => this.#fail('timeout'), kLimitMs);
  }

  get state(): SasState {
    return this.#state;
  }

  get over(): boolean {
    return this.#over;
  }

  start(): void {
    this.#initiator = true;
    this.#transactionId = crypto.randomUUID();
    this.#start = { transactionId: this.#transactionId };
    this.#party.send('sas-start', this.#start);
    this.#set({ stage: 'waiting' });
  }

  /** The other side began. The commitment is made before we know their key, so that they cannot choose it by ours. */
  accept(data: Readonly<Record<string, unknown>>): undefined {
    const { transactionId } = data;
    if (typeof transactionId !== 'string' || transactionId.length > 100) return this.#fail('mismatch');
    this.#transactionId = transactionId;
    const commitment = this.#commit(this.#sas.get_pubkey(), { transactionId });
    this.#party.send('sas-accept', { transactionId, commitment });
    this.#set({ stage: 'waiting' });
  }

  receive(type: 'sas-accept' | 'sas-key' | 'sas-mac', data: Readonly<Record<string, unknown>>): void {
    if (this.#over || data.transactionId !== this.#transactionId) return;
    if (type === 'sas-accept') this.#accepted(data);
    else if (type === 'sas-key') this.#gotKey(data);
    else this.#gotMac(data);
  }

  #accepted({ commitment }: Readonly<Record<string, unknown>>): void {
    if (!this.#initiator || this.#commitment !== undefined || typeof commitment !== 'string') return;
    this.#commitment = commitment.slice(0, 100);
    this.#sendKey();
  }

  #sendKey(): void {
    this.#keySent = true;
    this.#party.send('sas-key', { key: this.#sas.get_pubkey(), transactionId: this.#transactionId });
  }

  #gotKey({ key }: Readonly<Record<string, unknown>>): undefined {
    if (this.#theirKey || typeof key !== 'string' || !kKey.test(key)) return;
    if (this.#initiator) {
      // Without their commitment they could have waited for our key.
      if (this.#commitment === undefined) return;
      if (this.#commit(key, this.#start ?? {}) !== this.#commitment) return this.#fail('mismatch');
    }
    try {
      this.#sas.set_their_key(key);
    } catch {
      return this.#fail('mismatch');
    }
    this.#theirKey = true;
    const { me, peer } = this.#party;
    const mine = `${me}|${this.#sas.get_pubkey()}`;
    const theirs = `${peer}|${key}`;
    const info = this.#initiator ? `${mine}|${theirs}` : `${theirs}|${mine}`;
    const codes = sasCodes(this.#sas.generate_bytes(info, kBytes));
    if (!this.#keySent) this.#sendKey();
    this.#set({ stage: 'compare', ...codes });
  }

  /** What the person said of the two rows of symbols. */
  answer(matches: boolean): undefined {
    if (this.#over || this.#state.stage !== 'compare') return;
    if (!matches) return this.#fail('mismatch');
    this.#set({ ...this.#state, stage: 'confirmed' });
    if (!this.#macSent) this.#sendMac();
    this.#checkMac();
  }

  #baseInfo(from: string, to: string): string {
    return `${kMacInfo}${from}${to}${this.#transactionId}`;
  }

  #sendMac(): void {
    const { me, peer, own, bindsCurve } = this.#party;
    const base = this.#baseInfo(me, peer);
    const mac: Record<string, string> = Object.create(null);
    const add = (kind: 'ed25519' | 'curve25519'): void => {
      const id = `${kind}:${me}`;
      mac[id] = this.#sas.calculate_mac(own[kind], base + id);
    };
    // A client before #3110 compares every entry with the ed25519 key, so one more would look forged to it.
    if (bindsCurve) add('curve25519');
    add('ed25519');
    const keys = this.#sas.calculate_mac(Object.keys(mac).sort().join(','), base + kKeyIds);
    this.#macSent = true;
    this.#party.send('sas-mac', { keys, mac, transactionId: this.#transactionId });
  }

  #gotMac({ keys, mac }: Readonly<Record<string, unknown>>): undefined {
    if (!this.#theirKey || this.#theirMac || typeof keys !== 'string' || typeof mac !== 'object' || mac === null)
      return;
    const entries = Object.entries(mac);
    if (!entries.length || entries.length > kMaxMacs || entries.some(([, value]) => typeof value !== 'string')) {
      return this.#fail('mismatch');
    }
    this.#theirMac = { keys, mac: new Map(entries as Array<[string, string]>) };
    // Counts only together with what this person saw.
    if (this.#state.stage === 'confirmed') this.#checkMac();
  }

  #checkMac(): undefined {
    const received = this.#theirMac;
    if (!received) return;
    const { me, peer, theirs, bindsCurve } = this.#party;
    const base = this.#baseInfo(peer, me);
    const ids = [...received.mac.keys()].sort();
    const right = (value: string, text: string, info: string): boolean =>
      value === this.#sas.calculate_mac(text, base + info);
    let good = right(received.keys, ids.join(','), kKeyIds) && received.mac.has(`ed25519:${peer}`);
    if (bindsCurve) good &&= received.mac.has(`curve25519:${peer}`);
    for (const [id, value] of received.mac) {
      const kind = id === `ed25519:${peer}` ? 'ed25519' : id === `curve25519:${peer}` ? 'curve25519' : undefined;
      good &&= kind !== undefined && right(value, theirs[kind], id);
    }
    if (!good) return this.#fail('mismatch');
    this.#end({ stage: 'done' });
    this.#party.verified();
  }

  #commit(key: string, start: Readonly<Record<string, unknown>>): string {
    const utility = new this.#party.olm.Utility();
    try {
      return utility.sha256(key + JSON.stringify(start));
    } finally {
      utility.free();
    }
  }

  cancel(reason: NonNullable<SasState['reason']> = 'cancelled'): void {
    if (this.#over) return;
    this.#end({ stage: reason === 'mismatch' ? 'failed' : 'cancelled', reason });
  }

  #fail(reason: NonNullable<SasState['reason']>): undefined {
    if (!this.#over) this.#end({ stage: 'failed', reason });
  }

  #end(state: Omit<SasState, 'member'>): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#set(state);
    this.#sas.free();
  }

  #set(state: Omit<SasState, 'member'>): void {
    this.#state = { ...state, member: this.#party.peer };
    this.#party.changed(this.#state);
  }
}
