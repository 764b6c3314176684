// tools/frames.mjs as a reviewer uses it: a process, lines in, lines out.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { errorNames } from '../../tools/engine.mjs';
import { exampleFrame } from '../vectors/check_vectors.mjs';
import { fromHex, openTrailer, sealTrailer, toHex, trailerKey } from '../vectors/reference.mjs';

const tool = fileURLToPath(new URL('../../tools/frames.mjs', import.meta.url));

/** Runs the tool over raw lines; every line must be answered, and the process must end with 0. */
async function lines(...input) {
  const child = spawn(process.execPath, [tool], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stdin.end(input.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(code).toBe(0);
  const answers = output
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  expect(answers.length).toBe(input.length);
  return answers;
}

/** A conversation: each step gets the answers so far. One process for all of it. */
async function talk(...steps) {
  const child = spawn(process.execPath, [tool], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = [];
  let waiting;
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
    for (let end = output.indexOf('\n'); end >= 0; end = output.indexOf('\n')) {
      const answer = JSON.parse(output.slice(0, end));
      output = output.slice(end + 1);
      answers.push(answer);
      waiting(answer);
    }
  });
  for (const step of steps) {
    const line = typeof step === 'function' ? step(answers) : step;
    const answered = new Promise((resolve) => {
      waiting = resolve;
    });
    child.stdin.write(`${JSON.stringify(line)}\n`);
    await answered;
  }
  child.stdin.end();
  expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
  return answers;
}

const keyFields = {
  jframe: { material: '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff' },
  livekit: { material: '000102030405060708090a0b0c0d0e0f' },
  sframe: { suite: 4, kid: 9, baseKey: '000102030405060708090a0b0c0d0e0f', metadata: '010203' },
};
const jframe = { format: 'jframe', codec: 'opus', type: 'audio', ...keyFields.jframe };

describe('round trips', () => {
  for (const format of ['jframe', 'livekit', 'sframe']) {
    for (const codec of ['opus', 'vp8', 'vp9', 'h264', 'h265']) {
      if (format === 'jframe' && codec.startsWith('h')) continue;
      for (const type of codec === 'opus' ? ['audio'] : ['key', 'delta']) {
        test(`${format} ${codec} ${type}`, async () => {
          const plain = toHex(exampleFrame(codec, 100));
          const common = { format, codec, type, ssrc: 4294967295, timestamp: 12345 };
          const [sealed, opened, again] = await talk(
            { op: 'seal', stream: 'a', ...common, ...keyFields[format], frame: plain },
            ([{ frame }]) => ({ op: 'open', stream: 'b', ...common, ...keyFields[format], frame }),
            ([{ frame }]) => ({ op: 'open', stream: 'b', ...common, frame }),
          );
          expect(sealed.frame).not.toContain(plain.slice(-60));
          expect(opened.frame).toBe(plain);
          expect(again.error).toBe('Replay');
          const clear = format === 'sframe' ? 0 : { opus: 1, vp8: type === 'key' ? 10 : 3 }[codec];
          if (clear !== undefined) expect(opened.clear).toBe(clear);
          // What is counted as clear is clear, and no byte more.
          if (format !== 'sframe')
            expect(sealed.frame.slice(0, 2 * sealed.clear)).toBe(plain.slice(0, 2 * sealed.clear));
        });
      }
    }
  }

  test('every SFrame suite, with defaults for codec and type', async () => {
    for (const suite of [1, 2, 3, 4, 5]) {
      const given = { format: 'sframe', ...keyFields.sframe, suite, kid: '18446744073709551615' };
      const [, opened] = await talk({ op: 'seal', stream: 1, ...given, frame: 'c0ffee' }, ([{ frame }]) => ({
        ...{ op: 'open', stream: 1, frame },
      }));
      expect(opened).toEqual({ frame: 'c0ffee', clear: 0 });
    }
  });

  test('one id seals and opens, key fields once; a fresh IV for every frame', async () => {
    const answers = await talk(
      { op: 'seal', stream: 's', ...jframe, keyIndex: 3, ssrc: 1, timestamp: 5, frame: '780102' },
      { op: 'seal', stream: 's', codec: 'opus', type: 'audio', ssrc: 1, timestamp: 5, frame: '780102' },
      ([{ frame }]) => ({ op: 'open', stream: 's', codec: 'opus', type: 'audio', frame }),
      ([, { frame }]) => ({ op: 'open', stream: 's', codec: 'opus', type: 'audio', frame }),
    );
    expect(answers[0].frame).not.toBe(answers[1].frame);
    expect(answers[0].frame.slice(-2)).toBe('03');
    expect(answers.slice(2)).toEqual([
      { frame: '780102', clear: 1 },
      { frame: '780102', clear: 1 },
    ]);
  });

  test('a pass phrase is LiveKit’s PBKDF2, a key is the AES key as it is: the reference opens both', async () => {
    const livekit = { format: 'livekit', codec: 'vp8', type: 'key', ssrc: 5, timestamp: 6 };
    const plain = toHex(exampleFrame('vp8', 20));
    const [phrase, raw, both] = await lines(
      { op: 'seal', stream: 1, ...livekit, passphrase: 'key1', frame: plain },
      { op: 'seal', stream: 2, ...livekit, key: '000102030405060708090a0b0c0d0e0f', frame: plain },
      { op: 'seal', stream: 3, ...livekit, key: '00', passphrase: 'x', frame: plain },
    );
    for (const [answer, key] of [
      [phrase, await trailerKey('livekit', new TextEncoder().encode('key1'), 'pbkdf2')],
      [raw, fromHex('000102030405060708090a0b0c0d0e0f')],
    ]) {
      const opened = await openTrailer({
        format: 'livekit',
        codec: 'vp8',
        key,
        clear: 10,
        frame: fromHex(answer.frame),
      });
      expect(toHex(opened.frame)).toBe(plain);
    }
    expect(both.error).toBe('BadInput');
  });

  test('a sender that ratchets is followed; old keys stay at their index', async () => {
    const { material } = keyFields.jframe;
    const later = await (await import('../vectors/reference.mjs')).ratchet('jframe', fromHex(material));
    const iv = fromHex('000000010000000200000003');
    const given = { format: 'jframe', codec: 'opus', keyIndex: 0, iv, clear: 1, frame: fromHex('78aabbcc') };
    const ahead = await sealTrailer({ ...given, key: await trailerKey('jframe', later) });
    const [opened, atOne, old] = await talk(
      { op: 'open', stream: 'r', ...jframe, frame: toHex(ahead) },
      { op: 'seal', stream: 'r', ...jframe, material: '22'.repeat(32), keyIndex: 1, frame: '7801' },
      { op: 'seal', stream: 'r', codec: 'opus', type: 'audio', keyIndex: 0, frame: '7801' },
    );
    expect(opened.frame).toBe('78aabbcc');
    expect(atOne.frame.slice(-2)).toBe('01');
    expect(old.frame.slice(-2)).toBe('00');
  });
});

describe('refusals', () => {
  const seal = { op: 'seal', stream: 's', ...jframe, frame: '780102' };
  const without = (field) => Object.fromEntries(Object.entries(seal).filter(([name]) => name !== field));

  test('bad lines are answered, the next line still works', async () => {
    const bad = [
      'nonsense',
      '{"op":"seal"',
      '[]',
      'null',
      '42',
      '"text"',
      ...['op', 'stream', 'codec', 'frame'].map(without),
      { ...without('format'), stream: 'new' },
      { ...seal, op: 'close' },
      { ...seal, format: 'dave' },
      { ...seal, codec: 'theora' },
      { ...seal, type: 'empty' },
      { ...seal, codec: 'vp8', type: undefined },
      { ...seal, frame: '780' },
      { ...seal, frame: '78zz' },
      { ...seal, frame: 78 },
      { ...seal, material: 'not hex' },
      { ...seal, material: 7 },
      { ...seal, keyIndex: -1 },
      { ...seal, keyIndex: 256 },
      { ...seal, keyIndex: 1.5 },
      { ...seal, ssrc: 4294967296 },
      { ...seal, timestamp: '0' },
      { ...seal, suite: 4 },
      { op: 'seal', stream: 't', format: 'sframe', suite: 4, kid: 1, frame: '00' },
      { op: 'seal', stream: 't', format: 'sframe', suite: 4, kid: '18446744073709551616', baseKey: '00', frame: '00' },
      { op: 'seal', stream: 't', format: 'sframe', ...keyFields.sframe, material: '00', frame: '00' },
    ];
    const answers = await lines(...bad.flatMap((line) => [line, seal]));
    answers.forEach((answer, i) => {
      if (i % 2 === 1) expect(answer.frame, JSON.stringify(bad[(i - 1) / 2])).toMatch(/^78/);
      else {
        expect(answer.error, JSON.stringify(bad[i / 2])).toBe('BadInput');
        expect(answer.message.length).toBeGreaterThan(5);
        expect(answer.frame).toBeUndefined();
      }
    });
  });

  test('no IV, nonce or counter is taken', async () => {
    const fields = ['iv', 'IV', 'nonce', 'counter', 'ctr', 'sendCount', 'random', '__proto__'];
    const answers = await lines(...fields.map((field) => JSON.stringify(seal).replace('{', `{"${field}":0,`)));
    expect(answers.map(({ error }) => error)).toEqual(fields.map(() => 'BadInput'));
  });

  test('the engine’s own refusals carry its names', async () => {
    const vp8 = { codec: 'vp8', type: 'key' };
    const answers = await lines(
      { ...seal, stream: 1, codec: 'av1', type: 'key' },
      { ...seal, stream: 2, format: 'livekit', codec: 'av1', type: 'key' },
      { op: 'seal', stream: 3, format: 'sframe', ...keyFields.sframe, codec: 'av1', type: 'key', frame: '1200' },
      { ...seal, stream: 4, codec: 'h264', type: 'key' },
      { ...seal, stream: 5, type: 'key' },
      { ...seal, stream: 6, frame: '' },
      { ...seal, stream: 7, ...vp8 },
      { op: 'seal', stream: 'unknown', format: 'jframe', codec: 'opus', type: 'audio', frame: '7801' },
      {
        op: 'open',
        stream: 'unknown',
        format: 'jframe',
        codec: 'opus',
        type: 'audio',
        frame: `78${'00'.repeat(40)}0c00`,
      },
      { ...seal, stream: 8, material: '' },
      { ...seal, stream: 9, material: undefined, key: '001122' },
      { ...seal, stream: 10, material: undefined, passphrase: 'jframe has none' },
      { op: 'seal', stream: 11, format: 'sframe', ...keyFields.sframe, suite: 6, frame: '00' },
      { ...seal, stream: 12, op: 'open', frame: '78010203' },
      { ...seal, stream: 13, op: 'open', frame: '78'.repeat(60) },
      { ...seal, stream: 14, format: 'livekit', codec: 'h264', type: 'key', frame: '0102030405060708' },
    );
    expect(answers.map(({ error }) => error)).toEqual([
      ...['UnsupportedCodec', 'UnsupportedCodec', 'UnsupportedCodec', 'UnsupportedCodec', 'UnsupportedFrameType'],
      ...['EmptyFrame', 'FrameTooShort', 'MissingKey', 'MissingKey', 'InvalidKey', 'InvalidKey', 'InvalidArgument'],
      ...['UnsupportedSuite', 'FrameTooShort', 'Malformed', 'Malformed'],
    ]);
  });

  test('wrong key, changed byte, replay; the good frame still opens', async () => {
    const open = { op: 'open', stream: 'o', ...jframe };
    const flip = (frame, at) => frame.slice(0, at) + (frame[at] === '0' ? '1' : '0') + frame.slice(at + 1);
    const answers = await talk(
      { ...seal, frame: '78'.repeat(50) },
      ([{ frame }]) => ({ ...open, stream: 'w', material: '11'.repeat(32), frame }),
      ([{ frame }]) => ({ ...open, frame: flip(frame, 0) }),
      ([{ frame }]) => ({ ...open, frame: flip(frame, 40) }),
      ([{ frame }]) => ({ ...open, frame }),
      ([{ frame }]) => ({ ...open, frame }),
    );
    expect(answers.slice(1).map((answer) => answer.error ?? 'opened')).toEqual([
      ...['Authentication', 'Authentication', 'Authentication', 'opened', 'Replay'],
    ]);
  });

  test('no error tells a byte of key or frame', async () => {
    const secret = 'deadbeefdeadbeefdeadbeefdeadbeef';
    const answers = await lines(
      { ...seal, material: `${secret}x`, frame: secret },
      { ...seal, stream: 2, codec: 'av1', material: secret, frame: secret },
      `{"op":"seal","material":"${secret}"`,
    );
    for (const answer of answers) expect(JSON.stringify(answer)).not.toContain('deadbeef');
  });
});

test('the names of errors are those of result.h, in order', () => {
  const header = readFileSync(new URL('../../engine/include/siegel/result.h', import.meta.url), 'utf8');
  const names = [...header.matchAll(/^ {2}k(\w+) = (\d+),/gm)].map(([, name, number]) => [name, Number(number)]);
  expect(names).toEqual(errorNames.map((name, i) => [name, i]));
});
