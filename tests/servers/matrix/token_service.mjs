// A small token service: proves with an OpenID token of the homeserver who asks, and hands out a token for the media
// server. It speaks what Element's lk-jwt-service speaks: POST /sfu/get (older) and POST /get_token, GET /healthz.
// Delay delegation is accepted in the request, as the released service does, and not acted on.
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

const kMaxBody = 16_384;
const kSlot = 'm.call#ROOM';
const kCors = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'POST, GET, OPTIONS',
  'Access-Control-Allow-Headers': 'Accept, Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token',
};

class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Go's JSON: the deployed service is written in Go, and its names are hashes of Go's text. */
const goJson = (value) =>
  JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

function hash(list) {
  return createHash('sha256').update(goJson(list)).digest('base64').replace(/=+$/, '');
}

/** Name of the media server's room for a Matrix room. */
export const liveKitRoom = (roomId, slot = kSlot) => hash([roomId, slot]);
/** Identity at the media server in the modes that write state events. */
export const plainIdentity = (userId, deviceId) => `${userId}:${deviceId}`;
/** Identity at the media server in the mode of sticky events. */
export const hashedIdentity = (userId, deviceId, memberId) => hash([userId, deviceId, memberId]);

/**
 * Checks that `value` is an object with exactly these fields. A field's rule is a predicate; `optional` ones may be missing.
 * @throws {Refusal} 400 on anything else
 */
function shape(value, name, rules, optional = {}) {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(400, 'M_BAD_JSON', `${name} is not an object`);
  for (const field of Object.keys(value)) {
    if (!Object.hasOwn(rules, field) && !Object.hasOwn(optional, field))
      throw new Refusal(400, 'M_BAD_JSON', `${name} has an unknown field`);
  }
  for (const [field, rule] of Object.entries(rules)) {
    if (!Object.hasOwn(value, field) || !rule(value[field]))
      throw new Refusal(400, 'M_BAD_JSON', `${name}.${field} is missing or wrong`);
  }
  for (const [field, rule] of Object.entries(optional)) {
    if (Object.hasOwn(value, field) && !rule(value[field]))
      throw new Refusal(400, 'M_BAD_JSON', `${name}.${field} is wrong`);
  }
  return value;
}

const text = (value) => typeof value === 'string' && value.length > 0 && value.length <= 512;
const count = (value) => Number.isSafeInteger(value) && value >= 0;
const kDelay = { delay_id: text, delay_timeout: count, delay_cs_api_url: text };
const kOpenId = { access_token: text, token_type: (value) => value === 'Bearer', matrix_server_name: text };

function openId(value) {
  return shape(value, 'openid_token', kOpenId, { expires_in: count });
}

function readRequest(path, body) {
  if (path === '/sfu/get') {
    const request = shape(body, 'request', { room: text, openid_token: Boolean, device_id: text }, kDelay);
    return {
      openid: openId(request.openid_token),
      roomId: request.room,
      slot: kSlot,
      claimedUser: null,
      identity: (user) => plainIdentity(user, request.device_id),
    };
  }
  const rules = { room_id: text, slot_id: text, openid_token: Boolean, member: Boolean };
  const request = shape(body, 'request', rules, kDelay);
  const member = shape(request.member, 'member', { id: text, claimed_user_id: text, claimed_device_id: text });
  return {
    openid: openId(request.openid_token),
    roomId: request.room_id,
    slot: request.slot_id,
    claimedUser: member.claimed_user_id,
    identity: (user) => hashedIdentity(user, member.claimed_device_id, member.id),
  };
}

async function bodyOf(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > kMaxBody) throw new Refusal(413, 'M_TOO_LARGE', 'the request is too large');
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    throw new Refusal(400, 'M_NOT_JSON', 'the request is not JSON');
  }
}

export class TokenService {
  /** Counts of answered requests by "path status", for tests. */
  answered = new Map();
  #server = null;

  /**
   * @param {{ port: number, log: string, homeserver: { name: string, http: string }, livekit: import('./livekit.mjs').LiveKit,
   *   sfuUrl?: () => string, ttlSeconds?: number }} options `homeserver.http` is asked who an OpenID token belongs to;
   *   `sfuUrl` is what clients are told, the media server itself unless a proxy stands before it
   */
  constructor({ port, log, homeserver, livekit, sfuUrl = () => livekit.url, ttlSeconds = 3600 }) {
    Object.assign(this, { port, log, homeserver, livekit, sfuUrl, ttlSeconds });
    this.url = `http://localhost:${port}`;
  }

  get running() {
    return this.#server !== null;
  }

  async start() {
    if (this.#server) throw new Error('the token service runs already');
    const server = createServer((request, response) => void this.#serve(request, response));
    server.headersTimeout = 5000;
    server.requestTimeout = 10_000;
    await new Promise((done, fail) => {
      server.once('error', fail);
      server.listen(this.port, '127.0.0.1', done);
    });
    this.#server = server;
  }

  async stop() {
    const server = this.#server;
    if (!server) return;
    this.#server = null;
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }

  async #serve(request, response) {
    const path = request.url.split('?')[0];
    let status = 200;
    let answer = {};
    let note = '';
    try {
      answer = await this.#answer(request, path);
    } catch (error) {
      const known = error instanceof Refusal;
      status = known ? error.status : 500;
      note = known ? error.message : `${error.name}`;
      answer = { errcode: known ? error.code : 'M_UNKNOWN', error: known ? error.message : 'internal error' };
    }
    const what = `${['/sfu/get', '/get_token', '/healthz'].includes(path) ? path : 'other'} ${status}`;
    this.answered.set(what, (this.answered.get(what) ?? 0) + 1);
    // Who asked and for which room is in the homeserver's and the media server's logs; a token is in none.
    appendFileSync(this.log, `${new Date().toISOString()} ${request.method} ${what}${note && `: ${note}`}\n`);
    response.writeHead(status, { ...kCors, 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    response.end(JSON.stringify(answer));
  }

  async #answer(request, path) {
    if (request.method === 'OPTIONS') return {};
    if (path === '/healthz' && request.method === 'GET') return {};
    if (path !== '/sfu/get' && path !== '/get_token') throw new Refusal(404, 'M_NOT_FOUND', 'no such path');
    if (request.method !== 'POST') throw new Refusal(405, 'M_UNRECOGNIZED', 'POST only');
    const asked = readRequest(path, await bodyOf(request));
    const user = await this.#userOf(asked.openid);
    if (asked.claimedUser !== null && asked.claimedUser !== user)
      throw new Refusal(403, 'M_FORBIDDEN', 'another user is claimed');
    const room = liveKitRoom(asked.roomId, asked.slot);
    await this.livekit.makeRoom(room);
    return { url: this.sfuUrl(), jwt: await this.livekit.token(asked.identity(user), room, this.ttlSeconds) };
  }

  async #userOf(openid) {
    const { name, http } = this.homeserver;
    if (openid.matrix_server_name !== name) throw new Refusal(403, 'M_FORBIDDEN', 'not a homeserver of this service');
    const url = `${http}/_matrix/federation/v1/openid/userinfo?access_token=${encodeURIComponent(openid.access_token)}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => null);
    if (response === null) throw new Refusal(502, 'M_UNKNOWN', 'the homeserver does not answer');
    if (!response.ok) throw new Refusal(401, 'M_UNAUTHORIZED', 'the homeserver does not know this OpenID token');
    const { sub } = await response.json();
    if (!text(sub) || !sub.startsWith('@') || !sub.endsWith(`:${name}`))
      throw new Refusal(403, 'M_FORBIDDEN', 'not a user of the named homeserver');
    return sub;
  }
}
