import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startServer } from '../../../tools/serve.mjs';
import { Bucket, kMaxBody, parseMessage } from '../../../tools/signalling.mjs';

const id = () => randomBytes(16).toString('base64url');
const running = [];
const clients = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  for (const server of running.splice(0)) await server.close();
});

async function start(rooms = {}) {
  const server = await startServer({ port: 0, root: 'demo', rooms });
  running.push(server);
  return server;
}

/** A client that queues what arrives; `next(kind)` resolves with the data of the next message of this kind. */
async function connect(server, options = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/signal`, options);
  const queue = [];
  const waiting = [];
  const pump = () => {
    for (const wait of [...waiting]) {
      const at = queue.findIndex((message) => message.kind === wait.kind);
      if (at >= 0) {
        waiting.splice(waiting.indexOf(wait), 1);
        wait.done(queue.splice(at, 1)[0].data);
      }
    }
  };
  socket.on('message', (text) => {
    queue.push(JSON.parse(text));
    pump();
  });
  const closed = new Promise((done) => socket.on('close', (code) => done(code)));
  const client = {
    socket,
    queue,
    closed,
    send: (kind, data = {}) => socket.send(JSON.stringify({ kind, data })),
    next: (kind) =>
      new Promise((done) => {
        waiting.push({ kind, done });
        pump();
      }),
  };
  clients.push(client);
  await new Promise((done, fail) => {
    socket.on('open', done);
    socket.on('error', fail);
  });
  return client;
}

async function join(server, room, extra = {}) {
  const client = await connect(server);
  const member = extra.member ?? id();
  client.send('join', { room, member, client: id(), ...extra });
  return Object.assign(client, { member });
}

describe('signalling', () => {
  it('introduces members to each other and relays opaque texts with the true sender', async () => {
    const server = await start();
    const a = await join(server, 'room-one');
    expect((await a.next('welcome')).members).toEqual([]);
    const b = await join(server, 'room-one');
    expect((await b.next('welcome')).members).toEqual([a.member]);
    expect((await a.next('joined')).member).toBe(b.member);
    b.send('relay', { to: a.member, body: 'opaque', from: 'forged' });
    expect(await a.next('relay')).toEqual({ from: b.member, body: 'opaque' });
    b.send('leave');
    expect((await a.next('left')).member).toBe(b.member);
    expect(await b.closed).toBe(1000);
  });

  it('keeps rooms apart', async () => {
    const server = await start();
    const a = await join(server, 'room-one');
    const b = await join(server, 'room-two');
    await a.next('welcome');
    expect((await b.next('welcome')).members).toEqual([]);
    b.send('relay', { to: a.member, body: 'x' });
    b.send('ping');
    await b.next('pong');
    expect(a.queue).toEqual([]);
  });

  it('refuses the seventh member', async () => {
    const server = await start();
    for (let i = 0; i < 6; i++) await (await join(server, 'room-one')).next('welcome');
    const seventh = await join(server, 'room-one');
    expect(await seventh.next('error')).toEqual({ code: 'full', max: 6 });
    expect(await seventh.closed).toBe(1008);
  });

  it('asks before one client takes part twice, and lets it take over', async () => {
    const server = await start();
    const client = id();
    const first = await join(server, 'room-one', { client });
    await first.next('welcome');
    const second = await join(server, 'room-one', { client });
    expect((await second.next('error')).code).toBe('duplicate');
    second.send('join', { room: 'room-one', member: second.member, client, takeover: true });
    expect((await second.next('welcome')).members).toEqual([]);
    await first.next('replaced');
    expect(await first.closed).toBe(1000);
  });

  it('gives a broken connection its place back only for its token', async () => {
    const server = await start({ graceMs: 5000 });
    const a = await join(server, 'room-one');
    await a.next('welcome');
    const b = await join(server, 'room-one');
    const { token, instance } = await b.next('welcome');
    b.socket.terminate();
    await expect.poll(() => server.rooms.connectionCount, { timeout: 15_000 }).toBe(1);
    a.send('relay', { to: b.member, body: 'meanwhile' });
    a.send('ping');
    await a.next('pong');

    const thief = await join(server, 'room-one', { member: b.member, token: id() });
    expect((await thief.next('error')).code).toBe('duplicate');
    const back = await join(server, 'room-one', { member: b.member, token });
    expect(await back.next('welcome')).toMatchObject({ resumed: true, members: [a.member], instance });
    expect(await back.next('relay')).toEqual({ from: a.member, body: 'meanwhile' });
    expect(a.queue.filter((message) => message.kind === 'left')).toEqual([]);
  });

  it('tells the others when a broken connection does not come back', async () => {
    const server = await start({ graceMs: 50 });
    const a = await join(server, 'room-one');
    await a.next('welcome');
    const b = await join(server, 'room-one');
    await b.next('welcome');
    b.socket.terminate();
    expect((await a.next('left')).member).toBe(b.member);
  });

  it.each([
    ['no JSON', '{'],
    ['an array', '[]'],
    ['null', 'null'],
    ['an unknown kind', '{"kind":"admin","data":{}}'],
    ['data that is no object', '{"kind":"ping","data":null}'],
    ['a relay before the join', '{"kind":"relay","data":{"to":"AAAAAAAAAAAAAAAAAAAAAA","body":"x"}}'],
    [
      'a room id with a path in it',
      `{"kind":"join","data":{"room":"../../etc","member":"${id()}","client":"${id()}"}}`,
    ],
    ['a member id that is too short', `{"kind":"join","data":{"room":"room-one","member":"x","client":"${id()}"}}`],
    ['a prototype key', '{"kind":"__proto__","data":{}}'],
  ])('closes a connection that sends %s', async (_name, text) => {
    const server = await start();
    const a = await connect(server);
    a.socket.send(text);
    expect((await a.next('error')).code).toBe('bad-message');
    expect(await a.closed).toBe(1008);
  });

  it('closes on binary, on oversized messages and on a second join', async () => {
    const server = await start();
    const binary = await connect(server);
    binary.socket.send(Buffer.from('{"kind":"ping","data":{}}'));
    expect(await binary.closed).toBe(1008);
    const large = await connect(server);
    large.socket.send('x'.repeat(kMaxBody * 2));
    expect(await large.closed).toBe(1009);
    const twice = await join(server, 'room-one');
    await twice.next('welcome');
    twice.send('join', { room: 'room-two', member: id(), client: id() });
    expect(await twice.closed).toBe(1008);
  });

  it('closes a connection that floods, and one that never joins', async () => {
    const flood = await connect(await start({ messageBurst: 20, messagesPerSecond: 1 }));
    for (let i = 0; i < 30; i++) flood.send('ping');
    expect((await flood.next('error')).code).toBe('rate');
    expect(await flood.closed).toBe(1008);
    expect(await (await connect(await start({ joinWithinMs: 100 }))).closed).toBe(1008);
  });

  it('limits connections per address', async () => {
    const server = await start({ maxPerAddress: 2 });
    await connect(server);
    await connect(server);
    expect(await (await connect(server)).closed).toBe(1008);
  });

  it('refuses pages of another origin and other paths', async () => {
    const server = await start();
    await expect(connect(server, { origin: 'https://attacker.example' })).rejects.toThrow('403');
    await expect(connect(server, { origin: 'null' })).rejects.toThrow('403');
    await connect(server, { origin: `http://127.0.0.1:${server.port}` });
    const other = new WebSocket(`ws://127.0.0.1:${server.port}/other`);
    await expect(new Promise((_, fail) => other.on('error', fail))).rejects.toThrow('404');
  });

  it('forgets a room with its last member', async () => {
    const server = await start();
    const a = await join(server, 'room-one');
    await a.next('welcome');
    expect(server.rooms.roomCount).toBe(1);
    a.send('leave');
    await a.closed;
    expect(server.rooms.roomCount).toBe(0);
  });
});

describe('parseMessage', () => {
  it('passes on only the fields it knows', () => {
    const message = { kind: 'relay', data: { to: 'A'.repeat(22), body: 'x', extra: 1 }, more: 2 };
    expect(parseMessage(JSON.stringify(message))).toEqual({ kind: 'relay', data: { to: 'A'.repeat(22), body: 'x' } });
  });
});

describe('Bucket', () => {
  it('refills with time and never above its burst', () => {
    let now = 0;
    const bucket = new Bucket(10, 5, () => now);
    expect(bucket.take(10)).toBe(true);
    expect(bucket.take(1)).toBe(false);
    now = 1000;
    expect(bucket.take(5)).toBe(true);
    expect(bucket.take(1)).toBe(false);
    now = 1_000_000;
    expect(bucket.take(11)).toBe(false);
    expect(bucket.take(10)).toBe(true);
  });
});
