import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type RunningServer, startServer } from '../../../tools/serve.mjs';
import { randomBytes, toBase64Url } from '../../../web/keys';
import { ClientId } from '../../../web/local/client_id';
import { Signalling, type SignallingOptions } from '../../../web/local/signalling';

const id = () => toBase64Url(randomBytes(16));

/** A busy machine gets time. */
const poll = <T>(read: () => T) => expect.poll(read, { timeout: 15_000 });
let server: RunningServer | undefined;
const open: Signalling[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) each.close();
  await server?.close();
  server = undefined;
});

function client(port: number, change: Partial<SignallingOptions> = {}) {
  const signalling = new Signalling({
    url: `ws://127.0.0.1:${port}/signal`,
    room: 'room-one',
    member: id(),
    client: id(),
    createSocket: (url) => new WebSocket(url) as unknown as globalThis.WebSocket,
    firstRetryMs: 20,
    maxRetryMs: 100,
    ...change,
  });
  open.push(signalling);
  const log: string[] = [];
  signalling.on('welcome', ({ how, members }) => log.push(`welcome ${how} ${members.length}`));
  signalling.on('status', (status) => log.push(status));
  signalling.on('refused', ({ code }) => log.push(`refused ${code}`));
  signalling.on('replaced', () => log.push('replaced'));
  signalling.connect();
  return { signalling, log };
}

describe('signalling client', () => {
  it('comes back to its place after the connection broke', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    let last: WebSocket | undefined;
    const { log } = client(server.port, {
      createSocket: (url) => {
        last = new WebSocket(url);
        return last as unknown as globalThis.WebSocket;
      },
    });
    await poll(() => log.join()).toContain('welcome first');
    last?.terminate();
    await poll(() => log).toEqual(['open', 'welcome first 0', 'away', 'open', 'welcome resumed 0']);
  });

  it('keeps trying while the server is down, and tells a restart from being put out', async () => {
    server = await startServer({ port: 0, root: 'demo', rooms: { graceMs: 30 } });
    const { port } = server;
    const { log } = client(port);
    await poll(() => log).toContain('welcome first 0');
    await server.close();
    await poll(() => log.at(-1)).toBe('away');
    server = await startServer({ port, root: 'demo', rooms: { graceMs: 30 } });
    await poll(() => log).toContain('welcome restarted 0');

    const late = client(port, { firstRetryMs: 400 });
    await poll(() => late.log).toContain('welcome first 1');
    let last: WebSocket | undefined;
    const slow = client(port, {
      firstRetryMs: 1000,
      createSocket: (url) => {
        last = new WebSocket(url);
        return last as unknown as globalThis.WebSocket;
      },
    });
    await poll(() => slow.log).toContain('welcome first 2');
    last?.terminate();
    await poll(() => slow.log).toContain('welcome evicted 2');
  });

  it('stops at a refusal, and waits for an answer when there are two of us', async () => {
    server = await startServer({ port: 0, root: 'demo', rooms: { maxMembers: 1 } });
    const same = id();
    const first = client(server.port, { client: same });
    await poll(() => first.log).toContain('welcome first 0');
    const full = client(server.port);
    await poll(() => full.log).toEqual(['closed', 'refused full']);
    const second = client(server.port, { client: same });
    await poll(() => second.log).toEqual(['refused duplicate']);
    second.signalling.takeOver();
    await poll(() => second.log).toContain('welcome first 0');
    await poll(() => first.log).toContain('replaced');
    expect(first.signalling.status).toBe('closed');
  });

  it('notices a server that has fallen silent', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    let deaf = false;
    const { log } = client(server.port, {
      pingMs: 20,
      silenceMs: 60,
      createSocket: (url) => {
        const socket = new WebSocket(url);
        const emit = socket.emit.bind(socket);
        socket.emit = (event: string | symbol, ...args: unknown[]) =>
          deaf && event === 'message' ? false : emit(event, ...args);
        return socket as unknown as globalThis.WebSocket;
      },
    });
    await poll(() => log).toContain('welcome first 0');
    deaf = true;
    await poll(() => log).toContain('away');
  });

  it('gives up for good after close', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    const { signalling, log } = client(server.port);
    await poll(() => log).toContain('welcome first 0');
    signalling.close();
    await new Promise((done) => setTimeout(done, 200));
    expect(log).toEqual(['open', 'welcome first 0', 'closed']);
    expect(signalling.relay(id(), 'x')).toBe(false);
  });
});

describe('client id', () => {
  it('is the same in all tabs and another in another browser', async () => {
    // Node's BroadcastChannel reaches every instance of this process, as a browser's reaches every tab.
    const one = new ClientId();
    const first = await one.get(20);
    const two = new ClientId();
    expect(await two.get(500)).toBe(first);
    one.close();
    two.close();
    const later = new ClientId();
    expect(await later.get(20)).not.toBe(first);
    later.close();
  });

  it('works where there is no channel, and takes no rubbish', async () => {
    const alone = new ClientId(() => {
      throw new Error('blocked');
    });
    expect((await alone.get(10)).length).toBe(22);
    const channel = {
      onmessage: null as null | ((event: { data: unknown }) => void),
      postMessage: () => {},
      close: () => {},
    };
    const lied = new ClientId(() => channel as unknown as BroadcastChannel);
    for (const data of [null, 'x', { kind: 'tell', id: 7 }, { kind: 'tell', id: '<b>' }]) channel.onmessage?.({ data });
    expect((await lied.get(10)).length).toBe(22);
  });
});
