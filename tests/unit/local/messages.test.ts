import { describe, expect, it } from 'vitest';
import { cleanName, initials, kMaxName, sameLook } from '../../../web/call/names';
import { randomBytes, toBase64Url } from '../../../web/keys';
import {
  readEnvelope,
  readSealed,
  readServerMessage,
  type SealedContent,
  writeSealed,
} from '../../../web/local/messages';
import { outgoing, payloadTypes, wantedCodecs } from '../../../web/local/sdp';

const id = (char: string) => char.repeat(22);

describe('sealed messages', () => {
  const good: SealedContent[] = [
    { kind: 'key', data: { epoch: 3, index: 15, material: randomBytes(32) } },
    { kind: 'key-ack', data: { epoch: 3 } },
    { kind: 'offer', data: { round: 1, sdp: 'v=0' } },
    { kind: 'answer', data: { round: 1, sdp: 'v=0' } },
    { kind: 'candidate', data: { candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0, usernameFragment: null } },
    { kind: 'restart', data: {} },
    {
      kind: 'state',
      data: { version: 1, name: 'Anna', audio: true, video: false, screen: false, screenAudio: false, hand: true },
    },
  ];

  it.each(good)('come back as they were: $kind', (message) => {
    expect(readSealed(writeSealed(message))).toEqual(message);
  });

  const bad: Array<[string, unknown]> = [
    ['no object', []],
    ['null', null],
    ['unknown kind', { kind: 'constructor', data: {} }],
    ['no data', { kind: 'restart' }],
    ['key index 16', { kind: 'key', data: { epoch: 1, index: 16, material: toBase64Url(new Uint8Array(32)) } }],
    ['key index -1', { kind: 'key', data: { epoch: 1, index: -1, material: toBase64Url(new Uint8Array(32)) } }],
    ['key index 0.5', { kind: 'key', data: { epoch: 1, index: 0.5, material: toBase64Url(new Uint8Array(32)) } }],
    ['short material', { kind: 'key', data: { epoch: 1, index: 0, material: toBase64Url(new Uint8Array(31)) } }],
    ['material as array', { kind: 'key', data: { epoch: 1, index: 0, material: [1, 2, 3] } }],
    ['epoch as text', { kind: 'key-ack', data: { epoch: '1' } }],
    ['epoch too large', { kind: 'key-ack', data: { epoch: 2 ** 60 } }],
    ['huge sdp', { kind: 'offer', data: { round: 1, sdp: 'x'.repeat(33 * 1024) } }],
    [
      'candidate line index',
      { kind: 'candidate', data: { candidate: '', sdpMid: null, sdpMLineIndex: 99, usernameFragment: null } },
    ],
    [
      'flags that are no booleans',
      { kind: 'state', data: { version: 1, name: '', audio: 1, video: 0, screen: 0, screenAudio: 0, hand: 0 } },
    ],
    [
      'name that is no text',
      {
        kind: 'state',
        data: { version: 1, name: {}, audio: true, video: true, screen: true, screenAudio: true, hand: true },
      },
    ],
  ];
  it.each(bad)('are refused: %s', (_name, message) => {
    expect(readSealed(JSON.stringify(message))).toBeNull();
  });

  it('are refused when they are no JSON or too long', () => {
    expect(readSealed('{')).toBeNull();
    expect(readSealed(`{"kind":"restart","data":{}${' '.repeat(70_000)}}`)).toBeNull();
  });

  it('clean the name on arrival', () => {
    const message = readSealed(
      JSON.stringify({
        kind: 'state',
        data: {
          version: 1,
          name: '\u202eevil\u200b',
          audio: false,
          video: false,
          screen: false,
          screenAudio: false,
          hand: false,
        },
      }),
    );
    expect(message?.kind === 'state' && message.data.name).toBe('evil');
  });
});

describe('envelopes and server messages', () => {
  it('take only the three kinds', () => {
    expect(readEnvelope('{"kind":"hello","data":{"pub":"a","nonce":"b"}}')).toEqual({
      kind: 'hello',
      data: { pub: 'a', nonce: 'b' },
    });
    expect(readEnvelope('{"kind":"sealed","data":{"n":1,"box":"x"}}')).not.toBeNull();
    for (const text of [
      '{"kind":"offer","data":{"sdp":"v=0"}}',
      '{"kind":"sealed","data":{"n":-1,"box":"x"}}',
      '{"kind":"sealed","data":{"n":1}}',
      '{"kind":"hello","data":{"pub":1,"nonce":"b"}}',
      `{"kind":"hello","data":{"pub":"${'x'.repeat(100)}","nonce":"b"}}`,
      '"hello"',
    ])
      expect(readEnvelope(text)).toBeNull();
  });

  it('refuse a welcome with anything strange in it', () => {
    const data = { member: id('a'), token: id('b'), members: [id('c')], max: 6, instance: id('d'), resumed: false };
    expect(readServerMessage(JSON.stringify({ kind: 'welcome', data }))).not.toBeNull();
    for (const change of [
      { members: ['x'] },
      { members: 'abc' },
      { members: Array.from({ length: 65 }, () => id('c')) },
      { max: 0 },
      { max: 1000 },
      { resumed: 'yes' },
      { member: '<script>' },
    ])
      expect(readServerMessage(JSON.stringify({ kind: 'welcome', data: { ...data, ...change } }))).toBeNull();
    expect(readServerMessage(new ArrayBuffer(4))).toBeNull();
    expect(readServerMessage('{"kind":"error","data":{"code":"<b>"}}')).toBeNull();
  });
});

describe('names', () => {
  it.each([
    ['  Anna \n  Berg ', 'Anna Berg'],
    ['\u202eABC\u202c', 'ABC'],
    ['a\u200bb\u2060c\ufeffd', 'abcd'],
    ['\u0000\u0007x\u009f', 'x'],
    ['e\u0301', 'é'],
    [`Z${'\u0335'.repeat(50)}`, 'Z\u0335\u0335'],
    ['\u3164\u115f', ''],
    ['<img src=x>', '<img src=x>'],
    ['Jürgen Groß 👩‍💻', 'Jürgen Groß 👩💻'],
    ['علي', 'علي'],
  ])('%j becomes %j', (input, output) => {
    expect(cleanName(input)).toBe(output);
  });

  it('have a limit', () => {
    expect([...cleanName('😀'.repeat(500))].length).toBe(kMaxName);
    expect(cleanName('a'.repeat(1_000_000)).length).toBe(kMaxName);
  });

  it('give initials', () => {
    expect(initials('Anna Maria Berg')).toBe('AB');
    expect(initials('anna')).toBe('A');
    expect(initials('— 李')).toBe('李');
    expect(initials('!!!')).toBe('');
  });

  it('look alike or not', () => {
    expect(sameLook('Anna', 'ANNA')).toBe(true);
    expect(sameLook('Anna', 'Ａｎｎａ')).toBe(true);
    expect(sameLook('Anna B.', 'anna b')).toBe(true);
    expect(sameLook('Anna', 'Anne')).toBe(false);
  });
});

describe('session descriptions', () => {
  const sdp = [
    'm=audio 9 UDP/TLS/RTP/SAVPF 111 63',
    'a=rtpmap:111 opus/48000/2',
    'a=rtpmap:63 red/48000/2',
    'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
    'a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level vad=on',
    'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
    'm=video 9 UDP/TLS/RTP/SAVPF 96 97',
    'a=rtpmap:96 VP8/90000',
    'a=rtpmap:97 rtx/90000',
    '',
  ].join('\r\n');

  it('tell which payload type carries which codec', () => {
    expect([...payloadTypes(sdp)]).toEqual([
      [111, 'opus'],
      [96, 'vp8'],
    ]);
  });

  // P-29. Seen to fail when the audio-level lines are kept.
  it('go out without the audio-level extensions and otherwise unchanged', () => {
    const out = outgoing(sdp);
    expect(out).not.toContain('audio-level');
    expect(out.split('\r\n')).toEqual(sdp.split('\r\n').filter((line) => !line.includes('audio-level')));
  });

  it('go out without attributes of payload types that are not there', () => {
    const firefox = [
      'm=video 0 UDP/TLS/RTP/SAVPF 120',
      'a=rtcp-fb:120 nack',
      'a=rtcp-fb:121 nack',
      'a=fmtp:99 x',
      'a=rtpmap:120 VP8/90000',
      'a=mid:1',
      '',
    ];
    expect(outgoing(firefox.join('\r\n'))).toBe(firefox.filter((line) => !/:(121|99) /.test(line)).join('\r\n'));
  });

  it('offer VP8 and Opus only', () => {
    const names = [
      'video/AV1',
      'video/rtx',
      'video/VP9',
      'video/VP8',
      'video/H264',
      'video/red',
      'video/ulpfec',
      'audio/red',
      'audio/opus',
    ];
    expect(wantedCodecs(names.map((mimeType) => ({ mimeType }))).map((each) => each.mimeType)).toEqual([
      'video/VP8',
      'audio/opus',
      'video/rtx',
    ]);
  });
});
