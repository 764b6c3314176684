// The servers themselves: bound to loopback, strict, ended with their parent, and telling clients nothing of third parties.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Encryption_Type, ParticipantInfo, ParticipantUpdate, SignalResponse, TrackInfo } from '@livekit/protocol';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { claimsClear, hashedIdentity, liveKitRoom, startStack } from './stack.mjs';

/** Local addresses ("127.0.0.1:8008 tcp") that a process listens on, from the kernel's own tables. */
function listeners(pid) {
  const inodes = new Set();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    let target = '';
    try {
      target = readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      continue; // closed in between
    }
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode) inodes.add(inode);
  }
  const found = [];
  for (const kind of ['tcp', 'tcp6', 'udp', 'udp6']) {
    const rows = readFileSync(`/proc/net/${kind}`, 'utf8').trim().split('\n').slice(1);
    for (const row of rows) {
      const fields = row.trim().split(/\s+/);
      const [address, port] = fields[1].split(':');
      const state = fields[3];
      if (!inodes.has(fields[9]) || (kind.startsWith('tcp') && state !== '0A')) continue;
      found.push({ kind, address, port: Number.parseInt(port, 16) });
    }
  }
  return found;
}

/** First message of a new signalling connection, with the connection. */
async function joinResponse(url, token) {
  const socket = new WebSocket(`${url}/rtc?access_token=${token}&protocol=15&sdk=js&version=2.23.0&auto_subscribe=1`);
  socket.binaryType = 'nodebuffer';
  const first = await new Promise((done, fail) => {
    socket.once('message', done);
    socket.once('error', fail);
  });
  return { socket, message: SignalResponse.fromBinary(first).message };
}

async function post(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, answer: await response.json(), headers: response.headers };
}

const claimsOf = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url').toString('utf8'));

describe('the servers of a Matrix call', () => {
  let stack;
  let ada;
  let openid;
  const secrets = [];
  beforeAll(async () => {
    stack = await startStack({ users: ['ada', 'bert'], sfus: 2, proxy: true, pages: {} });
    ada = stack.users.ada;
    openid = await ada.request(
      'POST',
      `/_matrix/client/v3/user/${encodeURIComponent(ada.userId)}/openid/request_token`,
      {},
    );
    secrets.push(ada.accessToken, stack.users.bert.accessToken, openid.access_token);
  }, 120_000);
  afterAll(() => stack?.close(), 30_000);

  test('all listen on the loopback interface only', () => {
    for (const pid of [stack.synapse.pid, stack.livekit.pid, stack.sites[1].livekit.pid, process.pid]) {
      const found = listeners(pid);
      expect(found.length).toBeGreaterThan(0);
      for (const { address, kind } of found) expect([pid, kind, address]).toEqual([pid, kind, '0100007F']);
    }
    const udp = listeners(stack.livekit.pid).filter(({ kind }) => kind === 'udp');
    expect(udp.map(({ port }) => port)).toContain(stack.livekit.ports.udp);
  });

  test('the homeserver has what MatrixRTC needs', async () => {
    const { rtc_transports } = await ada.request('GET', '/_matrix/client/unstable/org.matrix.msc4143/rtc/transports');
    expect(rtc_transports).toEqual([{ type: 'livekit', livekit_service_url: stack.token.url }]);
    const { unstable_features } = await stack.synapse.request('GET', '/_matrix/client/versions');
    expect(unstable_features).toMatchObject({
      'org.matrix.msc4140': true,
      'org.matrix.msc4354': true,
    });
    const room = await ada.createRoom({ invite: [stack.users.bert.userId] });
    await stack.users.bert.join(room);
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}`;
    // An ordinary member announces itself, leaves by a delayed event, and sends a sticky event.
    const member = '_@bert_DEV_m.call';
    await stack.users.bert.request(
      'PUT',
      `${path}/state/org.matrix.msc3401.call.member/${stack.users.bert.userId}`,
      {},
    );
    const delayed = await stack.users.bert.request(
      'PUT',
      `${path}/state/org.matrix.msc3401.call.member/${encodeURIComponent(stack.users.bert.userId)}?org.matrix.msc4140.delay=800`,
      { left: member },
    );
    expect(typeof delayed.delay_id).toBe('string');
    const sticky = await stack.users.bert.request(
      'PUT',
      `${path}/send/org.matrix.msc4143.rtc.member/txn1?org.matrix.msc4354.sticky_duration_ms=60000`,
      { msc4354_sticky_key: 'x' },
    );
    expect(typeof sticky.event_id).toBe('string');
    await expect
      .poll(async () => (await ada.roomState(room, 'org.matrix.msc3401.call.member')).map(({ content }) => content), {
        timeout: 8000,
      })
      .toEqual([{ left: member }]);
    expect((await ada.roomState(room, 'm.room.encryption')).length).toBe(1);
  });

  test('/sfu/get gives a token for the room and the device of the OpenID user', async () => {
    const { status, answer, headers } = await post(`${stack.token.url}/sfu/get`, {
      room: '!a<b>&c',
      openid_token: openid,
      device_id: 'DEV',
    });
    expect(status).toBe(200);
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.url).toBe(stack.proxy.url);
    secrets.push(answer.jwt);
    const claims = claimsOf(answer.jwt);
    const text = '["!a\\u003cb\\u003e\\u0026c","m.call#ROOM"]';
    const room = createHash('sha256').update(text).digest('base64').replace(/=+$/, '');
    expect(claims.sub).toBe(`${ada.userId}:DEV`);
    expect(claims.video).toMatchObject({
      room,
      roomJoin: true,
      roomCreate: false,
      canPublish: true,
      canSubscribe: true,
    });
    expect(claims.video.roomAdmin).toBeUndefined();
    expect(claims.exp - claims.nbf).toBe(3600);
    expect(liveKitRoom('!a<b>&c')).toBe(room);
  });

  test('/get_token gives one for a hashed identity', async () => {
    const member = { id: 'm1', claimed_user_id: ada.userId, claimed_device_id: 'DEV' };
    const request = { room_id: '!r', slot_id: 'm.call#ROOM', openid_token: openid, member };
    const { status, answer } = await post(`${stack.token.url}/get_token`, request);
    expect(status).toBe(200);
    const claims = claimsOf(answer.jwt);
    expect(claims.sub).toBe(hashedIdentity(ada.userId, 'DEV', 'm1'));
    expect(claims.sub).toMatch(/^[A-Za-z0-9+/]{43}$/);
    expect(claims.video.room).toBe(liveKitRoom('!r'));
    const other = { ...request, member: { ...member, claimed_user_id: stack.users.bert.userId } };
    expect((await post(`${stack.token.url}/get_token`, other)).status).toBe(403);
  });

  const good = () => ({ room: '!r', openid_token: openid, device_id: 'DEV' });
  const cases = {
    'an unknown field': [() => ({ ...good(), admin: true }), 400],
    'an unknown field inside': [() => ({ ...good(), openid_token: { ...openid, x: 1 } }), 400],
    'no room': [() => ({ openid_token: openid, device_id: 'DEV' }), 400],
    'an empty device': [() => ({ ...good(), device_id: '' }), 400],
    'a room that is no text': [() => ({ ...good(), room: ['!r'] }), 400],
    'an inherited name': [() => '{"room":"!r","device_id":"D","__proto__":{"openid_token":{}}}', 400],
    'no JSON': [() => '{"room":', 400],
    'a list': [() => [], 400],
    'too much': [() => ({ ...good(), room: 'x'.repeat(20_000) }), 413],
    'a wrong OpenID token': [() => ({ ...good(), openid_token: { ...openid, access_token: 'wrong' } }), 401],
    'an access token': [() => ({ ...good(), openid_token: { ...openid, access_token: ada.accessToken } }), 401],
    'another homeserver': [() => ({ ...good(), openid_token: { ...openid, matrix_server_name: 'x.example' } }), 403],
  };
  for (const [name, [make, status]] of Object.entries(cases)) {
    test(`the token service refuses ${name} with ${status}`, async () => {
      const refused = await post(`${stack.token.url}/sfu/get`, make());
      expect(refused.status).toBe(status);
      expect(refused.answer.jwt).toBeUndefined();
    });
  }

  test('the token service has nothing else', async () => {
    expect((await fetch(`${stack.token.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${stack.token.url}/sfu/get`)).status).toBe(405);
    expect((await fetch(`${stack.token.url}/`)).status).toBe(404);
  });

  test('no client is told of a public STUN server, and a proxy can change what is said of encryption', async () => {
    const room = liveKitRoom('!stun');
    await stack.livekit.makeRoom(room);
    const token = await stack.livekit.token('@x:y:Z', room);
    secrets.push(token);
    const { socket, message } = await joinResponse(stack.proxy.url, token);
    expect(message.case).toBe('join');
    const urls = message.value.iceServers.flatMap((server) => server.urls);
    expect(urls).toEqual(['stun:127.0.0.1:65533']);
    socket.terminate();

    // Straight through without a rule, changed with one.
    const update = () =>
      new SignalResponse({
        message: {
          case: 'update',
          value: new ParticipantUpdate({
            participants: ['a', 'b'].map(
              (identity) =>
                new ParticipantInfo({
                  identity,
                  tracks: [new TrackInfo({ sid: 't', encryption: Encryption_Type.GCM })],
                }),
            ),
          }),
        },
      });
    const flags = (response) => response.message.value.participants.map(({ tracks }) => tracks[0].encryption);
    expect(flags(claimsClear('a')(update()))).toEqual([Encryption_Type.NONE, Encryption_Type.GCM]);
    expect(flags(claimsClear()(update()))).toEqual([Encryption_Type.NONE, Encryption_Type.NONE]);
    stack.proxy.onResponse = (response) => {
      if (response.message.case === 'join') response.message.value.serverVersion = 'changed';
      return response;
    };
    const changed = await joinResponse(stack.proxy.url, await stack.livekit.token('@x:y:Z', room));
    expect(changed.message.value.serverVersion).toBe('changed');
    expect(stack.proxy.seen).toContainEqual({ identity: '@x:y:Z', way: 'down', kind: 'join' });
    const gone = new Promise((done) => changed.socket.once('close', done));
    stack.proxy.cut();
    await gone;
    stack.proxy.onResponse = null;
  });

  test('the second media server is another one', async () => {
    const room = liveKitRoom('!second');
    const [first, second] = stack.sites;
    await second.livekit.makeRoom(room);
    expect((await second.livekit.rooms.listRooms([room])).length).toBe(1);
    expect((await first.livekit.rooms.listRooms([room])).length).toBe(0);
    const token = await second.livekit.token('a', room);
    await expect(joinResponse(first.livekit.url, token)).rejects.toThrow(/401/);
    const { status, answer } = await post(`${second.token.url}/sfu/get`, good());
    expect([status, answer.url]).toEqual([200, second.proxy.url]);
  });

  test('each server can be killed and started again; the homeserver keeps its data', async () => {
    await stack.livekit.kill();
    expect(stack.livekit.running).toBe(false);
    await expect(fetch(stack.livekit.http)).rejects.toThrow();
    await stack.livekit.start();
    expect(await (await fetch(stack.livekit.http)).text()).toBe('OK');

    const room = await ada.createRoom();
    await stack.synapse.stop();
    await expect(fetch(`${stack.synapse.http}/health`)).rejects.toThrow();
    expect((await post(`${stack.token.url}/sfu/get`, good())).status).toBe(502);
    stack.synapse.configure({ transports: [], transportEndpoint: false });
    await stack.synapse.start();
    expect((await ada.roomState(room, 'm.room.encryption')).length).toBe(1);
    await expect(
      ada.request('GET', '/_matrix/client/unstable/org.matrix.msc4143/rtc/transports'),
    ).rejects.toMatchObject({ status: 404 });
    await stack.token.stop();
    await expect(fetch(`${stack.token.url}/healthz`)).rejects.toThrow();
    await stack.token.start();
  }, 60_000);

  test('no token in any log or configuration', () => {
    const texts = [];
    const walk = (folder) => {
      for (const name of readdirSync(folder)) {
        const path = join(folder, name);
        if (statSync(path).isDirectory()) walk(path);
        else if (/\.(log|out|yaml)$/.test(name)) texts.push([name, readFileSync(path, 'utf8')]);
      }
    };
    walk(stack.folder);
    expect(texts.map(([name]) => name)).toEqual(expect.arrayContaining(['synapse.log', 'sfu0.log', 'token0.log']));
    for (const [name, text] of texts)
      for (const secret of secrets) expect([name, text.includes(secret)]).toEqual([name, false]);
  });
});

test('a short life of access tokens, and servers that end with a killed parent', async () => {
  const script = `
    const { startStack } = await import(${JSON.stringify(new URL('./stack.mjs', import.meta.url).href)});
    const stack = await startStack({ users: ['ada'], homeserver: { accessTokenSeconds: 2 } });
    console.log(JSON.stringify({ pids: [stack.synapse.pid, stack.livekit.pid], folder: stack.folder, synapse: stack.synapse.http,
      user: stack.users.ada.userId, password: stack.users.ada.password }));
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise((done, fail) => {
    let text = '';
    parent.stdout.on('data', (data) => {
      text += data;
      if (text.includes('\n')) done(text);
    });
    parent.once('exit', (code) => fail(new Error(`ended with ${code}`)));
  });
  const { pids, synapse, user, password, folder } = JSON.parse(line);
  onTestFinished(() => {
    parent.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true }); // what a killed parent cannot do
  });
  const login = await post(`${synapse}/_matrix/client/v3/login`, {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user },
    password,
    refresh_token: true,
  });
  expect(login.answer.expires_in_ms).toBeGreaterThan(500);
  expect(login.answer.expires_in_ms).toBeLessThanOrEqual(2000);
  const who = () =>
    fetch(`${synapse}/_matrix/client/v3/account/whoami`, {
      headers: { Authorization: `Bearer ${login.answer.access_token}` },
    });
  expect((await who()).status).toBe(200);
  await sleep(2300);
  expect((await who()).status).toBe(401);

  for (const pid of pids) expect(() => process.kill(pid, 0)).not.toThrow();
  parent.kill('SIGKILL');
  const alive = (pid) => {
    try {
      process.kill(pid, 0);
      return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  };
  await expect.poll(() => pids.filter(alive), { timeout: 5000 }).toEqual([]);
}, 120_000);
