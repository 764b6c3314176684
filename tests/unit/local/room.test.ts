/** Rooms in one process over the real server and the real key exchange; only WebRTC and the engine are stand-ins. */
import { createHmac } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type RunningServer, startServer } from '../../../tools/serve.mjs';
import type { LocalMedia } from '../../../web/call/local_media';
import { Invitation, randomBytes, toBase64Url } from '../../../web/keys';
import { LocalRoom } from '../../../web/local';
import type { KeyOptions, MediaCipherApi, MediaCipherEvents } from '../../../web/media/types';
import { MediaError } from '../../../web/media/types';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** A busy machine gets time. */
const poll = <T>(read: () => T) => expect.poll(read, { timeout: 15_000 });

/** Records keys; ratchets as the engine would. */
class Engine {
  readonly received = new Map<string, string[]>();
  sending = '';
  sendIndex = -1;
  closed = false;
  readonly removed: string[] = [];
  #listeners = new Map<string, Set<(event: never) => void>>();
  ready = Promise.resolve({ variant: 'simd' as const, webCryptoFrom: { seal: 1, open: 1 }, setupMs: 1 });
  attached: string[] = [];

  api(): MediaCipherApi {
    return this as unknown as MediaCipherApi;
  }
  rtcConfiguration(base: RTCConfiguration) {
    return base;
  }
  attachSender(_: unknown, info: { track: string }) {
    this.attached.push(`send ${info.track.split('.')[0]}`);
  }
  attachReceiver(_: unknown, info: { track: string }) {
    this.attached.push(`receive ${info.track}`);
  }
  setPayloadTypes() {}
  async setKey({ usage, participant, keyIndex, material }: KeyOptions) {
    if (usage === 'send') {
      this.sending = hex(material);
      this.sendIndex = keyIndex;
    } else this.received.set(participant, [...(this.received.get(participant) ?? []), `${keyIndex} ${hex(material)}`]);
    material.fill(0);
  }
  async ratchet() {
    const prk = createHmac('sha256', 'JFrameRatchetKey').update(Buffer.from(this.sending, 'hex')).digest();
    this.sending = createHmac('sha256', prk)
      .update(Buffer.from([1]))
      .digest('hex');
    return 1;
  }
  async dropKey() {}
  removeParticipant(id: string) {
    this.removed.push(id);
  }
  on<K extends keyof MediaCipherEvents>(kind: K, listener: (event: MediaCipherEvents[K]) => void) {
    const set = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, set);
    set.add(listener as (event: never) => void);
    return () => set.delete(listener as (event: never) => void);
  }
  fire<K extends keyof MediaCipherEvents>(kind: K, event: MediaCipherEvents[K]) {
    for (const listener of this.#listeners.get(kind) ?? []) (listener as (event: MediaCipherEvents[K]) => void)(event);
  }
  async close() {
    this.closed = true;
  }
}

/** A connection that negotiates by exchanging texts and then is connected. */
class Connection {
  localDescription: { type: string; sdp: string } | null = null;
  remoteDescription: { type: string; sdp: string } | null = null;
  signalingState = 'stable';
  connectionState = 'new';
  iceConnectionState = 'new';
  onicecandidate = null;
  onconnectionstatechange: (() => void) | null = null;
  oniceconnectionstatechange = null;
  #transceivers: unknown[] = [];
  readonly sent: unknown[] = [];
  addTransceiver(kind: string) {
    const sent = this.sent;
    const transceiver = {
      direction: 'sendrecv',
      sender: {
        replaceTrack: async (track: unknown) => void sent.push(track),
        getParameters: () => ({ encodings: [] }),
        setParameters: async () => {},
      },
      receiver: { track: { kind, stop() {} } },
      setCodecPreferences() {},
    };
    this.#transceivers.push(transceiver);
    return transceiver;
  }
  getTransceivers() {
    return this.#transceivers;
  }
  async createOffer() {
    return { type: 'offer', sdp: 'offer' };
  }
  async createAnswer() {
    return { type: 'answer', sdp: 'answer' };
  }
  async setLocalDescription(description: { type: string; sdp: string }) {
    this.localDescription = description;
    this.signalingState = description.type === 'offer' ? 'have-local-offer' : 'stable';
    this.#settle();
  }
  async setRemoteDescription(description: { type: string; sdp: string }) {
    this.remoteDescription = description;
    if (description.type === 'offer' && this.#transceivers.length === 0)
      for (const kind of ['audio', 'video', 'video', 'audio']) this.addTransceiver(kind);
    this.signalingState = description.type === 'offer' ? 'have-remote-offer' : 'stable';
    this.#settle();
  }
  async addIceCandidate() {}
  restartIce() {}
  #settle() {
    if (this.signalingState !== 'stable' || !this.remoteDescription) return;
    this.connectionState = 'connected';
    this.onconnectionstatechange?.();
  }
  close() {
    this.connectionState = 'closed';
    this.signalingState = 'closed';
  }
}

class Media {
  microphone: unknown = { kind: 'audio' };
  camera: unknown = { kind: 'video' };
  screenVideo = undefined;
  screenAudio = undefined;
  talking = true;
  closed = false;
  #listener = () => {};
  on(_: string, listener: () => void) {
    this.#listener = listener;
    return () => {};
  }
  change(what: Partial<Media>) {
    Object.assign(this, what);
    this.#listener();
  }
  close() {
    this.closed = true;
  }
}

let server: RunningServer | undefined;
const rooms: LocalRoom[] = [];

beforeAll(() => {
  Object.assign(globalThis, {
    RTCRtpReceiver: { getCapabilities: () => ({ codecs: [{ mimeType: 'video/VP8' }] }) },
    MediaStream: class {
      constructor(private readonly tracks: unknown[]) {}
      getTracks() {
        return this.tracks;
      }
    },
  });
});

afterEach(async () => {
  for (const room of rooms.splice(0)) await room.leave();
  await server?.close();
  server = undefined;
});

async function enter(name: string, invitation: Invitation, port = server?.port ?? 0) {
  const engine = new Engine();
  const media = new Media();
  const connections: Connection[] = [];
  const sockets: WebSocket[] = [];
  const room = new LocalRoom({
    invitation,
    cipher: engine.api(),
    media: media as unknown as LocalMedia,
    name,
    signalUrl: `ws://127.0.0.1:${port}/signal`,
    client: toBase64Url(randomBytes(16)),
    signalling: {
      createSocket: (url) => {
        const socket = new WebSocket(url);
        sockets.push(socket);
        return socket as unknown as globalThis.WebSocket;
      },
      firstRetryMs: 50,
      maxRetryMs: 100,
    },
    createConnection: () => {
      const connection = new Connection();
      connections.push(connection);
      return connection as unknown as RTCPeerConnection;
    },
  });
  rooms.push(room);
  const log: string[] = [];
  room.on('joined', (member) => log.push(`joined ${member.name}`));
  room.on('left', ({ name: who }) => log.push(`left ${who}`));
  room.on('stranger', () => log.push('stranger'));
  await room.join();
  return { room, engine, media, connections, sockets, log };
}

type Entered = Awaited<ReturnType<typeof enter>>;
/** What `who` last got as the key of `from`. */
const keyOf = (who: Entered, from: Entered) => who.engine.received.get(from.room.me)?.at(-1);
const sendingOf = (who: Entered) => `${who.engine.sendIndex} ${who.engine.sending}`;

describe('local room', () => {
  it('brings two people together: names, states, keys, lanes, tracks', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    const invitation = Invitation.create();
    const anna = await enter('Anna', invitation);
    const bert = await enter('Bert \u202e', invitation);
    await poll(() => [anna.log, bert.log]).toEqual([['joined Bert'], ['joined Anna']]);
    await poll(() => keyOf(bert, anna)).toBe(sendingOf(anna));
    await poll(() => keyOf(anna, bert)).toBe(sendingOf(bert));
    expect(keyOf(anna, bert)).not.toBe(sendingOf(anna));
    await poll(() => anna.room.members[0]?.connected).toBe(true);
    for (const { engine } of [anna, bert])
      expect(engine.attached.sort()).toEqual(
        ['audio', 'video', 'screen', 'screen-audio'].flatMap((lane) => [`send ${lane}`, `receive ${lane}`]).sort(),
      );
    expect(anna.connections[0]?.sent).toContain(anna.media.microphone);
    expect(anna.room.members[0]?.state).toMatchObject({ audio: true, video: true, screen: false });
    bert.media.change({ camera: undefined, talking: false });
    await poll(() => anna.room.members[0]?.state).toMatchObject({ audio: false, video: false });
    expect(bert.connections[0]?.sent.at(-1)).toBeNull();
  });

  it('tells two people of one name apart', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    const invitation = Invitation.create();
    const one = await enter('Anna', invitation);
    await enter('ANNA', invitation);
    await enter('Bert', invitation);
    await poll(() => one.room.members.map(({ name }) => name).sort()).toEqual(['ANNA', 'Bert']);
    expect(one.room.members.find(({ name }) => name === 'ANNA')?.mark).toMatch(/^[A-Z0-9]{4}$/);
    expect(one.room.members.find(({ name }) => name === 'Bert')?.mark).toBe('');
  });

  it('gives a newcomer the ratcheted key only, and those who stay a new one after a leave', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    const invitation = Invitation.create();
    const anna = await enter('Anna', invitation);
    const bert = await enter('Bert', invitation);
    await poll(() => keyOf(bert, anna)).toBe(sendingOf(anna));
    const before = sendingOf(anna);
    const cleo = await enter('Cleo', invitation);
    await poll(() => keyOf(cleo, anna) !== undefined && keyOf(cleo, anna) === sendingOf(anna)).toBe(true);
    expect(sendingOf(anna)).not.toBe(before);
    expect(anna.engine.sendIndex).toBe(0);
    expect(bert.engine.received.get(anna.room.me)).toEqual([before]);

    const shown: string[][] = [];
    anna.room.on('change', () => shown.push(anna.room.mayListen));
    await bert.room.leave();
    await poll(() => anna.engine.sendIndex).toBe(1);
    await poll(() => anna.room.mayListen).toEqual([]);
    expect(shown).toContainEqual(['Bert']);
    expect(keyOf(cleo, anna)).toBe(sendingOf(anna));
    expect(bert.engine.received.get(anna.room.me)).toEqual([before]);
    expect(anna.log).toContain('left Bert');
  });

  it('gives a stranger nothing: red on both sides, no connection, no key, no name', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    const invitation = Invitation.create();
    const anna = await enter('Anna', invitation);
    const mallory = await enter('Mallory', new Invitation(invitation.room, randomBytes(32)));
    await poll(() => [anna.log, mallory.log]).toEqual([['stranger'], ['stranger']]);
    for (const { room, connections, engine } of [anna, mallory]) {
      expect(room.members[0]).toMatchObject({ name: '', badge: { level: 'red', cause: 'other-link' } });
      expect(room.badge.level).toBe('red');
      expect(connections).toEqual([]);
      expect(engine.received.size).toBe(0);
    }
    // The stranger leaves: no reason for a new key.
    await mallory.room.leave();
    await poll(() => anna.room.members).toEqual([]);
    expect(anna.engine.sendIndex).toBe(0);
  });

  it('goes on with the same connections when the server restarts', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    const { port } = server;
    const invitation = Invitation.create();
    const anna = await enter('Anna', invitation);
    const bert = await enter('Bert', invitation);
    await poll(() => [keyOf(bert, anna), keyOf(anna, bert)]).toEqual([sendingOf(anna), sendingOf(bert)]);
    await server.close();
    await poll(() => [anna.room.phase, bert.room.phase]).toEqual(['away', 'away']);
    anna.media.change({ talking: false });
    expect(bert.room.members.length).toBe(1);
    server = await startServer({ port, root: 'demo' });
    await poll(() => [anna.room.phase, bert.room.phase]).toEqual(['joined', 'joined']);
    // What changed meanwhile arrives now.
    await poll(() => bert.room.members[0]?.state?.audio).toBe(false);
    expect([anna.connections.length, bert.connections.length]).toEqual([1, 1]);
    expect(anna.log).toEqual(['joined Bert']);
    const cleo = await enter('Cleo', invitation);
    await poll(() => cleo.room.members.length).toBe(2);
  });

  it('comes back as someone new after the server has put it out', async () => {
    server = await startServer({ port: 0, root: 'demo', rooms: { graceMs: 10 } });
    const invitation = Invitation.create();
    const anna = await enter('Anna', invitation);
    const bert = await enter('Bert', invitation);
    await poll(() => keyOf(anna, bert)).toBe(sendingOf(bert));
    const oldId = bert.room.me;
    bert.sockets.at(-1)?.terminate();
    await poll(() => anna.log).toContain('left Bert');
    await poll(() => anna.room.members[0]?.connected).toBe(true);
    expect(bert.room.me).not.toBe(oldId);
    expect(anna.engine.removed).toContain(oldId);
    await poll(() => keyOf(bert, anna)).toBe(sendingOf(anna));
  });

  it('stops everything when the engine fails: no track stays in a sender', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    const invitation = Invitation.create();
    const anna = await enter('Anna', invitation);
    await enter('Bert', invitation);
    await poll(() => anna.room.members[0]?.connected).toBe(true);
    anna.engine.fire('failed', new MediaError('worker-died', 'gone'));
    expect([anna.room.phase, anna.room.failure]).toEqual(['failed', 'worker-died']);
    expect(anna.room.badge).toEqual({ level: 'red', cause: 'engine-failed' });
    expect(anna.room.members[0]?.badge.level).toBe('red');
    expect(anna.connections[0]?.sent.slice(-2)).toEqual([null, null]);
    anna.media.change({ talking: false });
    expect(anna.connections[0]?.sent.slice(-2)).toEqual([null, null]);
  });

  it('leaves nothing behind', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    const invitation = Invitation.create();
    const anna = await enter('Anna', invitation);
    await enter('Bert', invitation);
    await poll(() => anna.room.members[0]?.connected).toBe(true);
    await anna.room.leave();
    expect(anna.connections.map(({ connectionState }) => connectionState)).toEqual(['closed']);
    expect([anna.engine.closed, anna.media.closed, anna.room.members]).toEqual([true, true, []]);
    expect(anna.engine.removed.length).toBe(2);
  });

  it('says why when the engine does not start', async () => {
    server = await startServer({ port: 0, root: 'demo' });
    const engine = new Engine();
    engine.ready = Promise.reject(new MediaError('wasm-mime', 'text/plain'));
    const room = new LocalRoom({
      invitation: Invitation.create(),
      cipher: engine.api(),
      media: new Media() as unknown as LocalMedia,
      name: '',
      signalUrl: 'ws://127.0.0.1:1/signal',
      client: toBase64Url(randomBytes(16)),
    });
    rooms.push(room);
    await room.join();
    expect([room.phase, room.failure]).toEqual(['failed', 'wasm-mime']);
  });
});
