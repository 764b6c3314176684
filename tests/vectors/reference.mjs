// The three formats once more, over WebCrypto and plain loops: what the engine is checked against where no byte-exact
// vector can be (its counters are random). Written from RFC 9605 and the descriptions in docs/formats.md, shares no code
// with the engine. Runs in Node and browsers.

const subtle = globalThis.crypto.subtle;
const text = (s) => new TextEncoder().encode(s);

export const fromHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function big(value, size) {
  const out = new Uint8Array(size);
  for (let i = size - 1, rest = BigInt(value); i >= 0; i--, rest >>= 8n) out[i] = Number(rest & 255n);
  return out;
}

async function hkdf(hash, ikm, salt, info, size) {
  const key = await subtle.importKey('raw', ikm, 'HKDF', false, ['deriveBits']);
  return new Uint8Array(await subtle.deriveBits({ name: 'HKDF', hash, salt, info }, key, size * 8));
}

async function gcm(key, iv, aad, data, decrypt) {
  const usage = decrypt ? 'decrypt' : 'encrypt';
  const imported = await subtle.importKey('raw', key, 'AES-GCM', false, [usage]);
  return new Uint8Array(await subtle[usage]({ name: 'AES-GCM', iv, additionalData: aad }, imported, data));
}

/** AES key of JFrame or LiveKit. `material`: bytes; `how`: 'hkdf' | 'pbkdf2' | 'raw'. */
export async function trailerKey(format, material, how = 'hkdf') {
  if (how === 'raw') return material;
  if (format === 'jframe') return hkdf('SHA-256', material, text('JFrameEncryptionKey'), new Uint8Array(0), 16);
  const salt = text('LKFrameEncryptionKey');
  if (how === 'hkdf') return hkdf('SHA-256', material, salt, new Uint8Array(128), 16);
  const key = await subtle.importKey('raw', material, 'PBKDF2', false, ['deriveBits']);
  const bits = await subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations: 100000 }, key, 128);
  return new Uint8Array(bits);
}

export async function ratchet(format, material) {
  return format === 'jframe'
    ? hkdf('SHA-256', material, text('JFrameRatchetKey'), new Uint8Array(0), 32)
    : hkdf('SHA-256', material, text('LKFrameEncryptionKey'), new Uint8Array(128), 32);
}

export function addEscapes(bytes) {
  const out = [];
  for (const byte of bytes) {
    if (byte <= 3 && out.at(-1) === 0 && out.at(-2) === 0) out.push(3);
    out.push(byte);
  }
  return Uint8Array.from(out);
}

export function removeEscapes(bytes) {
  const out = [];
  for (let i = 0; i < bytes.length; i++) {
    if (i >= 2 && bytes[i] === 3 && bytes[i - 1] === 0 && bytes[i - 2] === 0) continue;
    out.push(bytes[i]);
  }
  return Uint8Array.from(out);
}

const needsEscapes = (format, codec) => format === 'livekit' && (codec === 'h264' || codec === 'h265');

/** Seals with a given IV; `clear` is the number of clear bytes. */
export async function sealTrailer({ format, codec, key, keyIndex, iv, clear, frame }) {
  const head = frame.slice(0, clear);
  const body = concat(await gcm(key, iv, head, frame.slice(clear), false), iv, [12, keyIndex]);
  return concat(head, needsEscapes(format, codec) ? addEscapes(body) : body);
}

/** Rejects when the tag does not verify. */
export async function openTrailer({ format, codec, key, clear, frame }) {
  const head = frame.slice(0, clear);
  const rest = frame.slice(clear);
  const body = needsEscapes(format, codec) ? removeEscapes(rest) : rest;
  if (body.at(-2) !== 12) throw new Error('IV length');
  const plain = await gcm(key, body.slice(-14, -2), head, body.slice(0, -14), true);
  return { frame: concat(head, plain), iv: body.slice(-14, -2), keyIndex: body.at(-1) };
}

// ---- SFrame ----

const suites = {
  1: { hash: 'SHA-256', size: 48, tag: 10 },
  2: { hash: 'SHA-256', size: 48, tag: 8 },
  3: { hash: 'SHA-256', size: 48, tag: 4 },
  4: { hash: 'SHA-256', size: 16, tag: 16, gcm: true },
  5: { hash: 'SHA-512', size: 32, tag: 16, gcm: true },
};

export function sframeHeader(kid, ctr) {
  const part = (value) => {
    const number = BigInt(value);
    if (number < 8n) return { bits: Number(number), bytes: [] };
    let size = 1;
    while (number >> BigInt(8 * size)) size++;
    return { bits: 8 | (size - 1), bytes: big(number, size) };
  };
  const [k, c] = [part(kid), part(ctr)];
  return concat([(k.bits << 4) | c.bits], k.bytes, c.bytes);
}

/** { kid, ctr (BigInt), size } of a well-formed header. */
export function parseSframeHeader(bytes) {
  let at = 1;
  const read = (bits) => {
    if (bits < 8) return BigInt(bits);
    let value = 0n;
    for (let i = 0; i <= (bits & 7); i++) value = (value << 8n) | BigInt(bytes[at++]);
    return value;
  };
  const kid = read(bytes[0] >> 4);
  const ctr = read(bytes[0] & 15);
  return { kid, ctr, size: at };
}

async function sframeKeys(id, kid, baseKey) {
  const suite = suites[id];
  const label = (name) => concat(text(name), big(kid, 8), big(id, 2));
  const none = new Uint8Array(0);
  return {
    suite,
    key: await hkdf(suite.hash, baseKey, none, label('SFrame 1.0 Secret key '), suite.size),
    salt: await hkdf(suite.hash, baseKey, none, label('SFrame 1.0 Secret salt '), 12),
  };
}

async function sframeCrypt(keys, ctr, aad, data, decrypt) {
  const nonce = big(ctr, 12).map((byte, i) => byte ^ keys.salt[i]);
  if (keys.suite.gcm) return gcm(keys.key, nonce, aad, data, decrypt);
  const aes = await subtle.importKey('raw', keys.key.slice(0, 16), 'AES-CTR', false, ['encrypt']);
  const stream = { name: 'AES-CTR', counter: concat(nonce, new Uint8Array(4)), length: 32 };
  const mac = async (ciphertext) => {
    const key = await subtle.importKey('raw', keys.key.slice(16), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    const lengths = concat(big(aad.length, 8), big(ciphertext.length, 8), big(keys.suite.tag, 8));
    const message = concat(lengths, nonce, aad, ciphertext);
    return new Uint8Array(await subtle.sign('HMAC', key, message)).slice(0, keys.suite.tag);
  };
  if (!decrypt) {
    const ciphertext = new Uint8Array(await subtle.encrypt(stream, aes, data));
    return concat(ciphertext, await mac(ciphertext));
  }
  const ciphertext = data.slice(0, data.length - keys.suite.tag);
  if (toHex(await mac(ciphertext)) !== toHex(data.slice(ciphertext.length))) throw new Error('tag');
  return new Uint8Array(await subtle.encrypt(stream, aes, ciphertext));
}

export async function sealSframe({ suite, kid, ctr, baseKey, metadata = new Uint8Array(0), frame }) {
  const header = sframeHeader(kid, ctr);
  const keys = await sframeKeys(suite, kid, baseKey);
  return concat(header, await sframeCrypt(keys, ctr, concat(header, metadata), frame, false));
}

export async function openSframe({ suite, baseKey, metadata = new Uint8Array(0), frame }) {
  const { kid, ctr, size } = parseSframeHeader(frame);
  const keys = await sframeKeys(suite, kid, baseKey);
  const aad = concat(frame.slice(0, size), metadata);
  return { frame: await sframeCrypt(keys, ctr, aad, frame.slice(size), true), kid, ctr };
}
