import { describe, expect, it } from 'vitest';
import { type BadgeInput, BadgeMeter, numbersOf, worst } from '../../../web/call/badge';
import type { TrackCounters } from '../../../web/media/types';

function track(change: Partial<TrackCounters> = {}): TrackCounters {
  return {
    participant: 'p',
    track: 'audio',
    direction: 'receive',
    kind: 'audio',
    frames: 0,
    passed: 0,
    rejected: {},
    empty: 0,
    bytesIn: 0,
    bytesOut: 0,
    micros: 0,
    viaWebCrypto: 0,
    lastPassedAt: 0,
    lastRejectedAt: 0,
    keyIndex: 0,
    generation: 0,
    codec: 'opus',
    ...change,
  };
}

const kInput: BadgeInput = {
  handshake: 'confirmed',
  engine: 'running',
  link: 'connected',
  connectedFor: 10_000,
  expected: { audio: true, video: false },
  rekeying: false,
};

/** A meter that has seen `seconds` of audio, 50 frames each, in snapshots 250 ms apart. */
function flowing(seconds: number) {
  const meter = new BadgeMeter();
  const audio = track();
  let now = 1000;
  const run = (ms: number, step: (audio: TrackCounters) => void) => {
    for (let i = 0; i < ms; i += 250) {
      now += 250;
      step(audio);
      meter.update([{ ...audio, rejected: { ...audio.rejected } }], now);
    }
  };
  const pass = (each: TrackCounters) => {
    each.frames += 12;
    each.passed += 12;
    each.lastPassedAt = now;
  };
  run(seconds * 1000, pass);
  return { meter, run, pass, evaluate: (change: Partial<BadgeInput> = {}) => meter.evaluate({ ...kInput, ...change }) };
}

describe('badge of a person', () => {
  it('is green while frames open', () => {
    expect(flowing(5).evaluate()).toEqual({ level: 'green', cause: 'verified' });
  });

  it('is not green without a measured frame, whatever everybody says', () => {
    const meter = new BadgeMeter();
    expect(meter.evaluate(kInput).level).toBe('amber');
    meter.update([track()], 1000);
    for (const audio of [true, false])
      for (const video of [true, false])
        for (const rekeying of [true, false])
          expect(meter.evaluate({ ...kInput, expected: { audio, video }, rekeying }).level).toBe('amber');
  });

  it('leaves green within about a second when frames stop', () => {
    const { evaluate, run } = flowing(5);
    run(1250, () => {});
    expect(evaluate().level).toBe('amber');
    expect(evaluate().cause).toBe('stalled');
  });

  // P-20. Seen to fail when `authentication` is taken out of the reasons that count as bad.
  it.each(['authentication', 'malformed', 'injectedFrame'] as const)('is red at once for %s', (reason) => {
    const { evaluate, run } = flowing(5);
    run(250, (audio) => {
      audio.frames++;
      audio.rejected[reason] = (audio.rejected[reason] ?? 0) + 1;
    });
    expect(evaluate()).toEqual({ level: 'red', cause: 'rejected' });
  });

  it('stays green for a repeated frame among good ones, and is red when nothing but repeated frames comes', () => {
    const { evaluate, run, pass } = flowing(5);
    run(250, (audio) => {
      pass(audio);
      audio.rejected.replay = (audio.rejected.replay ?? 0) + 1;
    });
    expect(evaluate().level).toBe('green');
    run(1250, (audio) => {
      audio.rejected.replay = (audio.rejected.replay ?? 0) + 12;
    });
    expect(evaluate()).toEqual({ level: 'red', cause: 'rejected' });
  });

  it('is red for frames under another key from the first snapshot on', () => {
    const meter = new BadgeMeter();
    meter.update([track({ frames: 3, rejected: { authentication: 3 } })], 1000);
    expect(meter.evaluate(kInput)).toEqual({ level: 'red', cause: 'rejected' });
  });

  it('comes back to green when frames verify again', () => {
    const { evaluate, run, pass } = flowing(5);
    run(500, (audio) => {
      audio.rejected.authentication = (audio.rejected.authentication ?? 0) + 5;
    });
    expect(evaluate().level).toBe('red');
    run(1500, pass);
    expect(evaluate().level).toBe('green');
  });

  it('is amber, not red, for stragglers while the key changes and others open', () => {
    const { evaluate, run, pass } = flowing(5);
    run(250, (audio) => {
      pass(audio);
      audio.generation = 1;
      audio.rejected.authentication = 1;
    });
    expect(evaluate()).toEqual({ level: 'amber', cause: 'rekey' });
    // Nothing opens any more: the change is no excuse.
    run(1250, (audio) => {
      audio.rejected.authentication = (audio.rejected.authentication ?? 0) + 5;
    });
    expect(evaluate({ rekeying: true })).toEqual({ level: 'red', cause: 'rejected' });
  });

  it('waits for a key, then says that it does not come', () => {
    const { evaluate, run } = flowing(0);
    const missing = (audio: TrackCounters) => {
      audio.frames++;
      audio.rejected.missingKey = (audio.rejected.missingKey ?? 0) + 1;
    };
    run(500, missing);
    expect(evaluate()).toEqual({ level: 'amber', cause: 'waiting-key' });
    run(6000, missing);
    expect(evaluate()).toEqual({ level: 'red', cause: 'no-key' });
  });

  it('says that there is nothing to measure when microphone and camera are off', () => {
    const { evaluate, run } = flowing(2);
    run(2000, () => {});
    expect(evaluate({ expected: { audio: false, video: false } })).toEqual({ level: 'amber', cause: 'nothing-sent' });
  });

  it('is amber when the picture stalls although sound opens', () => {
    const { evaluate } = flowing(5);
    expect(evaluate({ expected: { audio: true, video: true } })).toEqual({ level: 'amber', cause: 'stalled' });
    // Just connected: the camera gets a moment.
    expect(evaluate({ expected: { audio: true, video: true }, connectedFor: 1000 }).level).toBe('green');
  });

  it('puts engine, then handshake, before any count', () => {
    const { evaluate } = flowing(5);
    expect(evaluate({ engine: 'failed' })).toEqual({ level: 'red', cause: 'engine-failed' });
    expect(evaluate({ engine: 'silent' })).toEqual({ level: 'red', cause: 'engine-silent' });
    expect(evaluate({ engine: 'late' })).toEqual({ level: 'amber', cause: 'engine-silent' });
    expect(evaluate({ engine: 'starting' }).level).toBe('amber');
    expect(evaluate({ handshake: 'wrong-secret' })).toEqual({ level: 'red', cause: 'other-link' });
    expect(evaluate({ handshake: 'waiting' })).toEqual({ level: 'amber', cause: 'handshake' });
  });
});

describe('badge of the call', () => {
  it('is the worst of its people, and amber when there are none', () => {
    const green = { level: 'green', cause: 'verified' } as const;
    const amber = { level: 'amber', cause: 'no-frames' } as const;
    const red = { level: 'red', cause: 'rejected' } as const;
    expect(worst([])).toEqual({ level: 'amber', cause: 'alone' });
    expect(worst([green, green])).toEqual(green);
    expect(worst([green, amber])).toEqual(amber);
    expect(worst([amber, red, green])).toEqual(red);
  });
});

describe('numbers', () => {
  it('add up over tracks and show the key last used', () => {
    const all = numbersOf([
      track({ frames: 10, passed: 8, rejected: { replay: 2 }, micros: 20, lastPassedAt: 5, keyIndex: 1 }),
      track({
        frames: 10,
        passed: 10,
        rejected: { replay: 1 },
        micros: 20,
        lastPassedAt: 9,
        keyIndex: 2,
        generation: 3,
        codec: 'vp8',
      }),
    ]);
    expect(all).toMatchObject({
      frames: 20,
      passed: 18,
      rejected: { replay: 3 },
      microsPerFrame: 2,
      keyIndex: 2,
      generation: 3,
    });
    expect(all.codecs).toEqual(['opus', 'vp8']);
    expect(numbersOf([]).keyIndex).toBe(-1);
  });
});
