/** The parsers behind the judge, on bytes nobody meant well. No browser. */
import { randomBytes } from 'node:crypto';
import { expect, test } from '@playwright/test';
import { type CapturedPacket, parseDump, parseDumpLine } from './dump';
import { collectFrames } from './frames';
import { readPcap } from './loopback';
import { describeStreams, isRtcp, parseRtp, parseVp8Payload } from './rtp';
import { frameKey, openFrame, sealFrame } from './seal_for_test';

const kSdp = [
  'v=0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=rtpmap:111 opus/48000/2',
  'a=ssrc:1 cname:x',
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97 118',
  'a=rtpmap:96 VP8/90000',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:118 red/90000',
  'a=rtpmap:45 AV1/90000',
  'a=ssrc-group:FID 2 3',
  'a=ssrc:2 cname:x',
  'a=ssrc:3 cname:x',
  '',
].join('\r\n');

interface Fields {
  type: number;
  sequence: number;
  timestamp: number;
  ssrc: number;
  marker?: boolean;
}

function rtp({ type, sequence, timestamp, ssrc, marker = false }: Fields, payload: number[]): CapturedPacket {
  const head = Buffer.alloc(12);
  head[0] = 0x80;
  head[1] = type | (marker ? 0x80 : 0);
  head.writeUInt16BE(sequence & 0xffff, 2);
  head.writeUInt32BE(timestamp, 4);
  head.writeUInt32BE(ssrc, 8);
  return { outbound: true, at: 0, bytes: Buffer.concat([head, Buffer.from(payload)]) };
}

test('RTP: cut, padded and extended packets', () => {
  const whole = Buffer.from('b2e0000100000002000000030000000a0000000bbede0001aabbccdd112233000002', 'hex');
  const packet = parseRtp(whole);
  expect(packet?.payload).toEqual(Buffer.from('11223300', 'hex').subarray(0, 4));
  expect(packet?.paddingSize).toBe(2);
  for (let size = 0; size < 28; size++) expect(parseRtp(whole.subarray(0, size)), `${size} bytes`).toBeNull();
  const tooMuchPadding = Buffer.from(whole);
  tooMuchPadding[tooMuchPadding.length - 1] = 200;
  expect(parseRtp(tooMuchPadding)).toBeNull();
  expect(isRtcp(Buffer.from('80c8000600000001', 'hex'))).toBe(true);
  expect(isRtcp(Buffer.from('80c800', 'hex'))).toBe(false);
});

test('VP8 descriptor: every optional field, every cut', () => {
  const full = Buffer.from([0x90, 0xf0, 0x81, 0x02, 0x07, 0x20, 0xaa, 0xbb]);
  expect(parseVp8Payload(full)).toEqual({ startOfFrame: true, data: full.subarray(6) });
  for (let size = 0; size < 6; size++) expect(parseVp8Payload(full.subarray(0, size)), `${size} bytes`).toBeNull();
  expect(parseVp8Payload(Buffer.from([0x11, 0xaa]))?.startOfFrame).toBe(false);
});

test('any bytes: no parser throws or reads past the end', () => {
  for (let round = 0; round < 20_000; round++) {
    const bytes = randomBytes(round % 48);
    if (bytes.length > 0) bytes[0] = 0x80 | (bytes[0]! & 0x3f);
    const packet = parseRtp(bytes);
    if (packet !== null) expect(packet.payload.length + packet.paddingSize).toBeLessThanOrEqual(bytes.length - 12);
    parseVp8Payload(bytes);
    isRtcp(bytes);
  }
});

test('frames: several packets, wrap of the sequence number, retransmission, RED', () => {
  const frames = collectFrames(
    [
      rtp({ type: 96, sequence: 65535, timestamp: 10, ssrc: 2 }, [0x10, 1, 2]),
      rtp({ type: 96, sequence: 0, timestamp: 10, ssrc: 2, marker: true }, [0x00, 3]),
      rtp({ type: 118, sequence: 1, timestamp: 20, ssrc: 2, marker: true }, [96, 0x10, 4]),
      rtp({ type: 97, sequence: 7, timestamp: 10, ssrc: 3 }, [0xff, 0xff, 0x10, 1, 2]),
      rtp({ type: 97, sequence: 8, timestamp: 10, ssrc: 3 }, []),
      rtp({ type: 111, sequence: 5, timestamp: 30, ssrc: 1 }, [0x78, 9]),
    ],
    [kSdp],
  );
  expect(frames.faults).toEqual([]);
  expect(frames.streams.map(({ codec, frames }) => [codec, frames.map(({ bytes }) => [...bytes])])).toEqual([
    ['vp8', [[1, 2, 3], [4]]],
    ['opus', [[0x78, 9]]],
  ]);
  expect(frames.streams[0]).toMatchObject({ retransmissions: 1, paddingPackets: 1 });
});

const kFaults: [string, CapturedPacket[], RegExp][] = [
  ['unknown SSRC', [rtp({ type: 96, sequence: 1, timestamp: 1, ssrc: 99 }, [0x10, 1])], /unknown SSRC 99/],
  ['unknown payload type', [rtp({ type: 50, sequence: 1, timestamp: 1, ssrc: 2 }, [0x10, 1])], /payload type 50/],
  ['a codec not read here', [rtp({ type: 45, sequence: 1, timestamp: 1, ssrc: 2 }, [0x10, 1])], /codec av1/],
  [
    'a hole in a frame',
    [
      rtp({ type: 96, sequence: 1, timestamp: 1, ssrc: 2 }, [0x10, 1]),
      rtp({ type: 96, sequence: 3, timestamp: 1, ssrc: 2, marker: true }, [0x00, 1]),
    ],
    /belongs to no frame/,
  ],
  [
    'a frame without end before another',
    [
      rtp({ type: 96, sequence: 1, timestamp: 1, ssrc: 2 }, [0x10, 1]),
      rtp({ type: 96, sequence: 2, timestamp: 2, ssrc: 2, marker: true }, [0x10, 1]),
    ],
    /does not end/,
  ],
  [
    'a retransmission that is not the same',
    [
      rtp({ type: 96, sequence: 1, timestamp: 1, ssrc: 2, marker: true }, [0x10, 1]),
      rtp({ type: 97, sequence: 1, timestamp: 1, ssrc: 3 }, [0, 1, 0x10, 2]),
    ],
    /repeated packet differs/,
  ],
  ['no RTP at all', [{ outbound: true, at: 0, bytes: Buffer.from('hello, clear text') }], /no RTP packet/],
];
for (const [name, packets, reason] of kFaults)
  test(`frames: ${name} is a fault`, () => {
    expect(collectFrames(packets, [kSdp]).faults.join()).toMatch(reason);
  });

test('descriptions: one payload type with two meanings is refused', () => {
  expect(describeStreams([kSdp]).get(3)?.original).toBe(2);
  expect(() => describeStreams([kSdp, kSdp.replace('96 VP8', '96 VP9')])).toThrow(/means vp8 and vp9/);
});

test('dumps: both browsers’ lines, others ignored, unreadable ones refused', () => {
  const chromium = 'O 01:02:03.500 0000 80 6f 00 01 # RTP_DUMP';
  const firefox =
    '[Child 1: Socket Thread]: D/RtpLogger {x}| Transmit audio[y] RTP_PACKET|>> I 01:02:03.500000  000000 80 6f ';
  expect(parseDump(`x\n${chromium}\n${firefox}\n[1:2:INFO] text\n`)).toEqual([
    { outbound: true, at: 3723500, bytes: new Uint8Array([0x80, 0x6f, 0, 1]) },
    { outbound: false, at: 3723500, bytes: new Uint8Array([0x80, 0x6f]) },
  ]);
  const minutes = ['00:00:59.900', '00:00:00.100', '00:00:30.000', '00:00:59.800', '00:00:00.050'];
  const times = parseDump(minutes.map((time) => `O ${time} 0000 80 6f # RTP_DUMP\n`).join('')).map(({ at }) => at);
  expect(times, 'a clock that starts anew every minute').toEqual([59_900, 60_100, 90_000, 119_800, 120_050]);
  expect(() => parseDumpLine('O 01:02:03.500 0000 80 6x # RTP_DUMP')).toThrow(/unreadable/);
});

test('pcap: cut files and lengths that lie', () => {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt32LE(276, 20);
  const payload = Buffer.from('\x80payload');
  const ip = Buffer.alloc(28);
  ip[0] = 0x45;
  ip[9] = 17;
  ip.writeUInt16BE(8 + payload.length, 24);
  const body = Buffer.concat([Buffer.alloc(20), ip, payload, Buffer.alloc(12)]);
  const record = Buffer.alloc(16);
  record.writeUInt32LE(body.length, 8);
  const file = Buffer.concat([head, record, body]);
  expect(readPcap(file).map((each) => Buffer.from(each.payload).toString('latin1'))).toEqual(['\xc2\x80payload']);
  for (let size = 24; size < file.length; size++) expect(readPcap(file.subarray(0, size))).toEqual([]);
  expect(() => readPcap(Buffer.alloc(24))).toThrow(/no pcap/);
});

test('opener: keys and frames of the published JFrame vectors', () => {
  const material = new Uint8Array(32);
  material[0] = 1;
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  expect(hex(frameKey(material))).toBe('f496e7d5a864ad7f500eb750e4a267c2');
  expect(hex(frameKey(material, 1))).toBe('7784327d360f839271f2551de851a867');
  expect(hex(frameKey(material, 8))).toBe('d285ce19257cb10a922f6d75809f2548');
  const frame = { ssrc: 123, kind: 'audio' as const, codec: 'opus' as const, timestamp: 960, at: 0 };
  const sealed = 'de5a749708a7d14b4ce79892e3ea989b99243a570000007b000003c0000000010c00';
  const plain = { ...frame, bytes: Buffer.from('deadbeef', 'hex') };
  expect(hex(sealFrame(plain, frameKey(material), 1).bytes)).toBe(sealed);
  const received = { ...frame, bytes: Buffer.from(sealed, 'hex') };
  expect(hex(openFrame(received, [frameKey(material)])!.bytes)).toBe('deadbeef');
  const ratcheted = 'de00e1c578b75bb6034b4c37f63b4d6e812c1ec00000007b00000f00000000040c00';
  expect(hex(sealFrame({ ...plain, timestamp: 3840 }, frameKey(material, 1), 4).bytes)).toBe(ratcheted);
  for (let at = 0; at < received.bytes.length - 1; at++) {
    const changed = Buffer.from(received.bytes);
    changed[at]! ^= 0x10;
    expect(openFrame({ ...received, bytes: changed }, [frameKey(material)]), `byte ${at}`).toBeNull();
  }
});
