import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BridgeChannel, checkChannelUrl } from '../../../web/jitsi/bridge_channel';

/** A WebSocket that the test plays the bridge for. */
class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 0;
  readonly sent: string[] = [];
  onopen: (() => void) | undefined;
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onclose: (() => void) | undefined;
  constructor(readonly url: URL) {
    FakeSocket.all.push(this);
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  say(data: unknown): void {
    this.onmessage?.({ data: typeof data === 'string' || data instanceof ArrayBuffer ? data : JSON.stringify(data) });
  }
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.readyState = 3;
    this.onclose?.();
  }
  get messages(): Array<Record<string, unknown>> {
    return this.sent.map((one) => JSON.parse(one) as Record<string, unknown>);
  }
}

const kUrl = new URL('wss://bridge.example/colibri-ws/jvb1/c/me?pwd=x');
const kConstraints = {
  lastN: -1,
  selected: ['a-v0'],
  onStage: [],
  defaultMaxHeight: 180,
  maxHeights: new Map([['a-v0', 720]]),
};

beforeEach(() => {
  FakeSocket.all = [];
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.useFakeTimers();
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function open() {
  const channel = new BridgeChannel({ url: kUrl });
  const heard: Array<[string, unknown]> = [];
  for (const kind of ['dominantSpeaker', 'senderConstraints', 'forwarded', 'endpointMessage'] as const)
    channel.on(kind, (event) => heard.push([kind, event]));
  const socket = FakeSocket.all[0] as FakeSocket;
  socket.open();
  return { channel, heard, socket };
}

describe('the address of a bridge', () => {
  it('is one with TLS, or of this computer', () => {
    for (const url of [
      'wss://b.example/colibri-ws/x?pwd=y',
      'ws://127.0.0.1:9090/x',
      'ws://localhost/x',
      'ws://[::1]:1/x',
    ])
      expect(checkChannelUrl(url, true)?.href, url).toBe(url);
    for (const url of [
      'ws://b.example/x',
      'ws://localhost.example/x',
      'ws://127.0.0.1.example/x',
      'http://127.0.0.1/x',
      'https://b.example/x',
      'wss://u:p@b.example/x',
      'wss://b.example/x#f',
      'javascript:alert(1)',
      '//b.example/x',
      '',
      'wss://',
    ])
      expect(checkChannelUrl(url, true), url).toBeUndefined();
  });

  it('lets no deployment elsewhere name a port of this computer', () => {
    expect(checkChannelUrl('ws://127.0.0.1:9090/colibri-ws/x', false)).toBeUndefined();
    expect(checkChannelUrl('wss://meet.example/colibri-ws/x', false)?.host).toBe('meet.example');
  });
});

describe('the bridge channel', () => {
  it('says what the recorded stock client says', () => {
    const { channel, socket } = open();
    channel.setVideoType('ff2ab7be-v0', 'camera');
    const lines = readFileSync(new URL('../../vectors/jitsi-wire/a-bridge-channel.jsonl', import.meta.url), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { dir?: string; msg?: Record<string, unknown> });
    const recordedType = lines.find(({ msg }) => msg?.colibriClass === 'SourceVideoTypeMessage')?.msg;
    expect(socket.messages).toEqual([recordedType]);
    channel.setConstraints(kConstraints);
    expect(socket.messages[1]).toEqual({
      colibriClass: 'ReceiverVideoConstraints',
      lastN: -1,
      selectedSources: ['a-v0'],
      onStageSources: [],
      defaultConstraints: { maxHeight: 180 },
      constraints: { 'a-v0': { maxHeight: 720 } },
    });
  });

  it('understands everything that recorded bridges said', () => {
    const { heard, socket } = open();
    let told = 0;
    for (const name of ['a', 'b', 'old-b']) {
      const text = readFileSync(
        new URL(`../../vectors/jitsi-wire/${name}-bridge-channel.jsonl`, import.meta.url),
        'utf8',
      );
      for (const line of text.split('\n').filter(Boolean)) {
        const { dir, msg } = JSON.parse(line) as { dir?: string; msg?: { colibriClass: string } };
        if (dir !== 'bridge-to-client' || !msg) continue;
        const before = heard.length;
        socket.say(msg);
        const known = /^(SenderSourceConstraints|ForwardedSources|DominantSpeaker|EndpointMessage)/.test(
          msg.colibriClass,
        );
        expect(heard.length - before, line).toBe(known ? 1 : 0);
        told += heard.length - before;
      }
    }
    expect(told).toBeGreaterThan(10);
    expect(heard).toContainEqual(['senderConstraints', { source: 'ff2ab7be-v0', maxHeight: 720 }]);
    expect(heard).toContainEqual(['forwarded', { sources: ['c924e8d2-v0'] }]);
    expect(heard).toContainEqual(['dominantSpeaker', { id: 'c924e8d2' }]);
  });

  it('ignores what is out of shape', () => {
    const { heard, socket } = open();
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    for (const data of [
      '',
      '{',
      'null',
      '[]',
      '7',
      deep,
      new ArrayBuffer(8),
      {},
      { colibriClass: 7 },
      { colibriClass: 'constructor' },
      { colibriClass: 'DominantSpeakerEndpointChangeEvent' },
      { colibriClass: 'DominantSpeakerEndpointChangeEvent', dominantSpeakerEndpoint: 'a b' },
      { colibriClass: 'DominantSpeakerEndpointChangeEvent', dominantSpeakerEndpoint: ['a'] },
      { colibriClass: 'SenderSourceConstraints', sourceName: 'a\r\nb', maxHeight: 5 },
      { colibriClass: 'SenderSourceConstraints', sourceName: 'a', maxHeight: '5' },
      { colibriClass: 'SenderSourceConstraints', sourceName: 'a' },
      { colibriClass: 'ForwardedSources', forwardedSources: 'a' },
      { colibriClass: 'EndpointMessage', msgPayload: {} },
      { colibriClass: 'EndpointMessage', from: '<b>', msgPayload: {} },
    ])
      socket.say(data as never);
    expect(heard).toEqual([]);
    socket.say({ colibriClass: 'ForwardedSources', forwardedSources: ['a-v0', 7, 'b c', null, 'x'.repeat(500)] });
    expect(heard).toEqual([['forwarded', { sources: ['a-v0'] }]]);
  });

  it('ignores what is too long', () => {
    const { heard, socket } = open();
    const message = (length: number): string =>
      JSON.stringify({ colibriClass: 'EndpointMessage', from: 'a', msgPayload: 'x'.repeat(length) });
    socket.say(message(250_000));
    expect(heard).toEqual([]);
    socket.say(message(50_000));
    expect(heard).toHaveLength(1);
    socket.say({
      colibriClass: 'ForwardedSources',
      forwardedSources: Array.from({ length: 5000 }, (_, one) => `a${one}`),
    });
    const [, sources] = heard[1] as [string, { sources: string[] }];
    expect(sources.sources).toHaveLength(1000);
  });

  it('connects again after a while that grows, and says again what holds', async () => {
    const { channel, socket } = open();
    channel.setConstraints({ ...kConstraints, lastN: 1 });
    channel.setConstraints({ ...kConstraints, lastN: 2 });
    channel.setVideoType('me-v0', 'camera');
    channel.sendMessage('a', { text: 1 });
    socket.close();
    const waits: number[] = [];
    for (let attempt = 1; attempt < 6; ++attempt) {
      let waited = 0;
      while (FakeSocket.all.length === attempt) {
        await vi.advanceTimersByTimeAsync(100);
        waited += 100;
        expect(waited).toBeLessThan(20_000);
      }
      waits.push(waited);
      if (attempt < 5) FakeSocket.all[attempt]?.close();
    }
    expect([...waits].sort((a, b) => a - b)).toEqual(waits);
    expect(waits[4]).toBeGreaterThan(waits[0] as number);
    const last = FakeSocket.all.at(-1) as FakeSocket;
    last.open();
    // Messages of the moment are not repeated.
    expect(last.messages.map(({ colibriClass, lastN }) => [colibriClass, lastN])).toEqual([
      ['ReceiverVideoConstraints', 2],
      ['SourceVideoTypeMessage', undefined],
    ]);
  });

  it('stays closed when it was closed', async () => {
    const { channel, heard, socket } = open();
    channel.close();
    expect(socket.readyState).toBe(3);
    socket.say({ colibriClass: 'DominantSpeakerEndpointChangeEvent', dominantSpeakerEndpoint: 'a' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    expect(heard).toEqual([]);
    channel.sendMessage('a', {});
    expect(socket.sent).toEqual([]);
  });

  it('runs over a data channel alike', () => {
    const socket = new FakeSocket(kUrl);
    FakeSocket.all = [];
    const data = socket as unknown as RTCDataChannel & { readyState: string };
    Object.assign(data, { readyState: 'connecting' });
    const channel = new BridgeChannel({ channel: data });
    const heard: unknown[] = [];
    channel.on('dominantSpeaker', (event) => heard.push(event));
    channel.setConstraints(kConstraints);
    expect(socket.sent).toEqual([]);
    Object.assign(data, { readyState: 'open' });
    socket.onopen?.();
    expect(socket.messages).toHaveLength(1);
    const text = JSON.stringify({ colibriClass: 'DominantSpeakerEndpointChangeEvent', dominantSpeakerEndpoint: 'a' });
    socket.say(new TextEncoder().encode(text).buffer as ArrayBuffer);
    socket.say(text);
    expect(heard).toEqual([{ id: 'a' }, { id: 'a' }]);
    expect(FakeSocket.all).toEqual([]);
  });
});
