/**
 * Pairwise key agreement between two members of a room, over a server that may read, change, drop, repeat and invent
 * messages. Both know the secret S of the invitation.
 *
 *   hello   →   pub (X25519, fresh per call), nonce (16 bytes, fresh per handshake)
 *   confirm →   HMAC-SHA256 under a key from S and the Diffie-Hellman result, over who sends it and the transcript
 *
 *   transcript T = SHA-256(parts(label, room, idLow, pubLow, nonceLow, idHigh, pubHigh, nonceHigh)), low/high by id
 *   PRK          = HKDF(ikm = DH ‖ S, salt = T)
 *   mac key      = PRK, info "siegel/1 confirm";  channel key of a direction = PRK, info parts("siegel/1 channel", sender id)
 *
 * The ids and both public keys are in T: a swapped key, a reflected or repeated message or a message of another room gives
 * another T, and the confirmation fails. Without S nobody can confirm. With S but only a recording of the exchange nobody can
 * derive the channel keys (X25519). Someone who has S and controls the server is a member as far as this protocol knows: the
 * link is the identity (see docs/local-room.md).
 *
 * Threads: none; every method is safe to call in any order. Errors: results, never exceptions, except where the browser has
 * no X25519 (`createIdentity` rejects).
 */
import { type Bytes, encodeParts, fromBase64Url, randomBytes, toBase64Url, utf8, wipe } from './bytes';
import { SealedChannel } from './channel';

const kLabel = utf8('siegel/1 handshake');
const kConfirm = utf8('siegel/1 confirm');
const kChannel = utf8('siegel/1 channel');

/** One member's key pair, fresh for every call. The private key cannot be exported. */
export interface Identity {
  privateKey: CryptoKey;
  publicKey: Bytes;
}

export async function createIdentity(): Promise<Identity> {
  const pair = (await crypto.subtle.generateKey('X25519', false, ['deriveBits'])) as CryptoKeyPair;
  return {
    privateKey: pair.privateKey,
    publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)),
  };
}

export interface Hello {
  pub: string;
  nonce: string;
}

/** `wrong-secret`: the other side derived other keys: another link, or someone in between. Final, as `confirmed` is. */
export type HandshakeState = 'waiting' | 'confirmed' | 'wrong-secret';

export class Handshake {
  readonly #secret: Bytes;
  readonly #room: string;
  readonly #identity: Identity;
  readonly #me: string;
  readonly #peer: string;
  readonly #nonce = randomBytes(16);
  #state: HandshakeState = 'waiting';
  #peerHello: Hello | undefined;
  #derived: Promise<Derived | null> | undefined;
  #channel: SealedChannel | undefined;

  /** `secret` is borrowed and must stay intact until the handshake has ended. */
  constructor(options: { secret: Bytes; room: string; identity: Identity; me: string; peer: string }) {
    this.#secret = options.secret;
    this.#room = options.room;
    this.#identity = options.identity;
    this.#me = options.me;
    this.#peer = options.peer;
  }

  get state(): HandshakeState {
    return this.#state;
  }

  /** There once `state` is `confirmed`. */
  get channel(): SealedChannel | undefined {
    return this.#channel;
  }

  /** What to send first; the same each time, so sending it again is harmless. */
  hello(): Hello {
    return { pub: toBase64Url(this.#identity.publicKey), nonce: toBase64Url(this.#nonce) };
  }

  /**
   * Takes the other side's hello and resolves with our confirmation, or null when the hello is not acceptable. Only the
   * first hello counts: a later, different one changes nothing (a server must not be able to exchange a key afterwards).
   */
  async onHello(hello: Hello): Promise<string | null> {
    if (this.#state === 'wrong-secret') return null;
    if (this.#peerHello) {
      if (this.#peerHello.pub !== hello.pub || this.#peerHello.nonce !== hello.nonce) return null;
    } else {
      const pub = fromBase64Url(hello.pub);
      const nonce = fromBase64Url(hello.nonce);
      if (pub?.length !== 32 || nonce?.length !== 16) return null;
      // Our own key coming back is a reflection, never another member.
      if (hello.pub === toBase64Url(this.#identity.publicKey)) return null;
      this.#peerHello = { pub: hello.pub, nonce: hello.nonce };
      this.#derived = this.#derive(pub, nonce);
    }
    const derived = await this.#derived;
    if (!derived) {
      this.#state = 'wrong-secret'; // a public key that gives no shared secret: nothing honest sends that
      return null;
    }
    const mac = await crypto.subtle.sign('HMAC', derived.macKey, encodeParts(utf8(this.#me), derived.transcript));
    return toBase64Url(new Uint8Array(mac));
  }

  /** Takes the other side's confirmation; resolves with the new state. Before the hello it is too early: `waiting`. */
  async onConfirm(confirm: string): Promise<HandshakeState> {
    if (this.#state !== 'waiting' || !this.#derived) return this.#state;
    const derived = await this.#derived;
    if (this.#state !== 'waiting' || !derived) return this.#state;
    const mac = fromBase64Url(confirm);
    const text = encodeParts(utf8(this.#peer), derived.transcript);
    // WebCrypto compares in constant time.
    const right = mac?.length === 32 && (await crypto.subtle.verify('HMAC', derived.macKey, mac, text));
    if (this.#state !== 'waiting') return this.#state;
    if (!right) {
      this.#state = 'wrong-secret';
      return this.#state;
    }
    this.#channel = new SealedChannel(derived.sendKey, derived.receiveKey, derived.transcript);
    this.#state = 'confirmed';
    return this.#state;
  }

  async #derive(pub: Bytes, nonce: Bytes): Promise<Derived | null> {
    const mine = [utf8(this.#me), this.#identity.publicKey, this.#nonce];
    const theirs = [utf8(this.#peer), pub, nonce];
    const [low, high] = this.#me < this.#peer ? [mine, theirs] : [theirs, mine];
    const transcript = new Uint8Array(
      await crypto.subtle.digest('SHA-256', encodeParts(kLabel, utf8(this.#room), ...low, ...high)),
    );
    let shared: Bytes;
    try {
      const publicKey = await crypto.subtle.importKey('raw', pub, 'X25519', false, []);
      const bits = await crypto.subtle.deriveBits(
        { name: 'X25519', public: publicKey },
        this.#identity.privateKey,
        256,
      );
      shared = new Uint8Array(bits);
    } catch {
      return null; // a point of small order (RFC 7748 §6.1)
    }
    if (shared.every((byte) => byte === 0)) return null;
    const input = new Uint8Array(shared.length + this.#secret.length);
    input.set(shared);
    input.set(this.#secret, shared.length);
    const root = await crypto.subtle.importKey('raw', input, 'HKDF', false, ['deriveKey']);
    wipe(shared, input);
    const hkdf = (info: Bytes) => ({ name: 'HKDF', hash: 'SHA-256', salt: transcript, info });
    const channelKey = (sender: string, usage: KeyUsage) =>
      crypto.subtle.deriveKey(
        hkdf(encodeParts(kChannel, utf8(sender))),
        root,
        { name: 'AES-GCM', length: 256 },
        false,
        [usage],
      );
    const [macKey, sendKey, receiveKey] = await Promise.all([
      crypto.subtle.deriveKey(hkdf(kConfirm), root, { name: 'HMAC', hash: 'SHA-256', length: 256 }, false, [
        'sign',
        'verify',
      ]),
      channelKey(this.#me, 'encrypt'),
      channelKey(this.#peer, 'decrypt'),
    ]);
    return { transcript, macKey, sendKey, receiveKey };
  }
}

interface Derived {
  transcript: Bytes;
  macKey: CryptoKey;
  sendKey: CryptoKey;
  receiveKey: CryptoKey;
}
