// Signalling for the local room: hands opaque texts from one member of a room to another. It never sees a key, and with
// sealed messages (web/keys) neither offers nor addresses. Nothing is written to disk or to a log.
//
// Client to server                                   Server to client
//   join   {room, member, client, token?, takeover?}   welcome  {member, token, members, max, instance, resumed}
//   relay  {to, body}                                  joined   {member}        left {member}
//   leave  {}                                          relay    {from, body}
//   ping   {}                                          pong {}  replaced {}     error {code, max?}
//
// Every message is JSON `{"kind": …, "data": {…}}`. A connection that sends anything else is closed. A member whose
// connection breaks keeps its place for `graceMs`; with its token it comes back, and what was sent to it meanwhile follows.
import { randomBytes, timingSafeEqual } from 'node:crypto';

export const kMaxMembers = 6;
export const kMaxBody = 64 * 1024;
export const kMaxMessage = kMaxBody + 1024;
const kId = /^[A-Za-z0-9_-]{22}$/;
const kRoom = /^[A-Za-z0-9_-]{8,64}$/;
const kOpen = 1; // WebSocket.OPEN

/** Tokens that refill with time: `take(n)` is false when more was asked for than the rate allows. */
export class Bucket {
  constructor(burst, perSecond, now = () => performance.now()) {
    this.burst_ = burst;
    this.perSecond_ = perSecond;
    this.now_ = now;
    this.level_ = burst;
    this.at_ = now();
  }

  take(amount) {
    const now = this.now_();
    this.level_ = Math.min(this.burst_, this.level_ + ((now - this.at_) / 1000) * this.perSecond_);
    this.at_ = now;
    if (this.level_ < amount) return false;
    this.level_ -= amount;
    return true;
  }
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isId = (value) => typeof value === 'string' && kId.test(value);

/** The message, or null when it is not exactly what a client may send. */
export function parseMessage(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(message) || !isObject(message.data)) return null;
  const { kind, data } = message;
  switch (kind) {
    case 'join': {
      const { room, member, client, token, takeover } = data;
      if (typeof room !== 'string' || !kRoom.test(room) || !isId(member) || !isId(client)) return null;
      if (token !== undefined && !isId(token)) return null;
      if (takeover !== undefined && typeof takeover !== 'boolean') return null;
      return { kind, data: { room, member, client, token, takeover: takeover === true } };
    }
    case 'relay':
      if (!isId(data.to) || typeof data.body !== 'string' || data.body.length === 0 || data.body.length > kMaxBody)
        return null;
      return { kind, data: { to: data.to, body: data.body } };
    case 'leave':
    case 'ping':
      return { kind, data: {} };
    default:
      return null;
  }
}

function sameToken(a, b) {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** All rooms of one server. `attach` takes over a WebSocket (of `ws`). Single-threaded, no I/O of its own. */
export class Rooms {
  constructor({
    maxMembers = kMaxMembers,
    maxRooms = 1000,
    maxPerAddress = 64,
    graceMs = 10_000,
    joinWithinMs = 10_000,
    heartbeatMs = 10_000,
    messagesPerSecond = 100,
    messageBurst = 400,
    bytesPerSecond = 512 * 1024,
    byteBurst = 2 * 1024 * 1024,
  } = {}) {
    Object.assign(this, { maxMembers, maxRooms, maxPerAddress, graceMs, joinWithinMs, heartbeatMs });
    Object.assign(this, { messagesPerSecond, messageBurst, bytesPerSecond, byteBurst });
    this.rooms_ = new Map();
    this.addresses_ = new Map();
    this.connections_ = new Set();
    // Tells a client that comes back whether this is still the process it knew.
    this.instance_ = randomBytes(16).toString('base64url');
    this.heartbeat_ = setInterval(() => this.beat_(), heartbeatMs);
    this.heartbeat_.unref?.();
  }

  get roomCount() {
    return this.rooms_.size;
  }

  get connectionCount() {
    return this.connections_.size;
  }

  /** Ends every connection and forgets every room. */
  close() {
    clearInterval(this.heartbeat_);
    for (const room of this.rooms_.values()) for (const member of room.values()) clearTimeout(member.grace);
    this.rooms_.clear();
    for (const connection of this.connections_) connection.socket.terminate();
    this.connections_.clear();
    this.addresses_.clear();
  }

  attach(socket, address = '') {
    const open = (this.addresses_.get(address) ?? 0) + 1;
    if (open > this.maxPerAddress) {
      this.send_(socket, 'error', { code: 'rate' });
      socket.close(1008);
      return;
    }
    this.addresses_.set(address, open);
    const connection = {
      socket,
      address,
      member: null,
      alive: true,
      messages: new Bucket(this.messageBurst, this.messagesPerSecond),
      bytes: new Bucket(this.byteBurst, this.bytesPerSecond),
    };
    this.connections_.add(connection);
    const joinTimer = setTimeout(() => {
      if (!connection.member) socket.close(1008);
    }, this.joinWithinMs);
    socket.on('pong', () => {
      connection.alive = true;
    });
    socket.on('message', (data, isBinary) => this.receive_(connection, data, isBinary));
    socket.on('error', () => {}); // a protocol error of the peer; 'close' follows
    socket.on('close', () => {
      clearTimeout(joinTimer);
      this.connections_.delete(connection);
      const left = (this.addresses_.get(address) ?? 1) - 1;
      if (left > 0) this.addresses_.set(address, left);
      else this.addresses_.delete(address);
      this.lost_(connection);
    });
  }

  beat_() {
    for (const connection of this.connections_) {
      if (!connection.alive) connection.socket.terminate();
      else {
        connection.alive = false;
        connection.socket.ping();
      }
    }
  }

  send_(socket, kind, data) {
    if (socket?.readyState !== kOpen) return false;
    // A member that does not read must not make the server hold its messages for ever.
    if (socket.bufferedAmount > 4 * 1024 * 1024) {
      socket.terminate();
      return false;
    }
    socket.send(JSON.stringify({ kind, data }));
    return true;
  }

  refuse_(connection, code, more = {}) {
    this.send_(connection.socket, 'error', { code, ...more });
    connection.socket.close(1008);
  }

  receive_(connection, data, isBinary) {
    connection.alive = true;
    if (!connection.messages.take(1) || !connection.bytes.take(data.length)) return this.refuse_(connection, 'rate');
    const message = isBinary ? null : parseMessage(data.toString('utf8'));
    if (!message) return this.refuse_(connection, 'bad-message');
    if (message.kind === 'ping') return void this.send_(connection.socket, 'pong', {});
    if (message.kind === 'join') return this.join_(connection, message.data);
    const member = connection.member;
    if (!member) return this.refuse_(connection, 'bad-message');
    if (message.kind === 'leave') {
      this.remove_(member);
      connection.socket.close(1000);
      return;
    }
    const to = this.rooms_.get(member.room)?.get(message.data.to);
    if (!to) return; // has left: the sender learns that from `left`
    this.deliver_(to, 'relay', { from: member.id, body: message.data.body });
  }

  deliver_(member, kind, data) {
    if (member.connection) this.send_(member.connection.socket, kind, data);
    else if (member.waiting.length < 256 && member.waitingBytes < 1024 * 1024) {
      member.waiting.push([kind, data]);
      member.waitingBytes += data.body?.length ?? 64;
    }
  }

  join_(connection, { room: name, member: id, client, token, takeover }) {
    if (connection.member) return this.refuse_(connection, 'bad-message');
    let room = this.rooms_.get(name);
    const known = room?.get(id);
    if (known) {
      if (!token || !sameToken(token, known.token)) return this.refuse_(connection, 'duplicate');
      return this.resume_(connection, known, room);
    }
    const other = room && [...room.values()].find((member) => member.client === client);
    if (other) {
      // The connection stays open: the person may answer with `takeover`.
      if (!takeover) return void this.send_(connection.socket, 'error', { code: 'duplicate' });
      const old = other.connection;
      this.remove_(other);
      if (old) {
        old.member = null;
        this.send_(old.socket, 'replaced', {});
        old.socket.close(1000);
      }
      room = this.rooms_.get(name); // it may have been the only one
    }
    if (!room) {
      if (this.rooms_.size >= this.maxRooms) return this.refuse_(connection, 'busy');
      room = new Map();
      this.rooms_.set(name, room);
    }
    if (room.size >= this.maxMembers) return this.refuse_(connection, 'full', { max: this.maxMembers });
    const member = {
      id,
      client,
      room: name,
      token: randomBytes(16).toString('base64url'),
      connection,
      waiting: [],
      waitingBytes: 0,
      grace: undefined,
    };
    connection.member = member;
    const others = [...room.keys()];
    for (const each of room.values()) this.deliver_(each, 'joined', { member: id });
    room.set(id, member);
    this.welcome_(member, others, false);
  }

  resume_(connection, member, room) {
    clearTimeout(member.grace);
    const old = member.connection;
    if (old) {
      old.member = null;
      old.socket.close(1000);
    }
    member.connection = connection;
    connection.member = member;
    const others = [...room.keys()].filter((id) => id !== member.id);
    this.welcome_(member, others, true);
    const waiting = member.waiting;
    member.waiting = [];
    member.waitingBytes = 0;
    for (const [kind, data] of waiting) this.deliver_(member, kind, data);
  }

  welcome_(member, members, resumed) {
    this.send_(member.connection.socket, 'welcome', {
      member: member.id,
      token: member.token,
      members,
      max: this.maxMembers,
      instance: this.instance_,
      resumed,
    });
  }

  lost_(connection) {
    const member = connection.member;
    if (!member || member.connection !== connection) return;
    member.connection = null;
    member.grace = setTimeout(() => this.remove_(member), this.graceMs);
    member.grace.unref?.();
  }

  remove_(member) {
    clearTimeout(member.grace);
    const room = this.rooms_.get(member.room);
    if (room?.get(member.id) !== member) return;
    room.delete(member.id);
    if (member.connection) member.connection.member = null;
    member.waiting = [];
    if (room.size === 0) this.rooms_.delete(member.room);
    else for (const each of room.values()) this.deliver_(each, 'left', { member: member.id });
  }
}
