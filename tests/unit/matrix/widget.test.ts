// What a host may do to the call in its widget, and what it hears of it.
import { describe, expect, it, vi } from 'vitest';
import { type CallEvents, type CallPhase, Emitter, type LocalMediaEvents } from '../../../web/call';
import { connectHost } from '../../../web/matrix/widget';

class FakeCall extends Emitter<CallEvents> {
  phase: CallPhase = 'joining';
  readonly leave = vi.fn(async () => {});
  become(phase: CallPhase): void {
    this.phase = phase;
    this.emit('change', undefined);
  }
}

class FakeDevices extends Emitter<LocalMediaEvents> {
  talking = true;
  camera: MediaStreamTrack | undefined = {} as MediaStreamTrack;
  readonly muted: boolean[] = [];
  setMuted(muted: boolean): void {
    this.muted.push(muted);
    this.talking = !muted;
    this.emit('change', undefined);
  }
  closeCamera(): void {
    this.camera = undefined;
    this.emit('change', undefined);
  }
}

function stand() {
  const handlers = new Map<string, (event: unknown) => void>();
  const sent: Array<[string, unknown]> = [];
  const replies: unknown[] = [];
  const screen: boolean[] = [];
  const api = {
    on: (kind: string, handler: (event: unknown) => void) => void handlers.set(kind, handler),
    off: (kind: string) => void handlers.delete(kind),
    setAlwaysOnScreen: async (on: boolean) => void screen.push(on),
    transport: {
      send: async (action: string, data: unknown) => void sent.push([action, data]),
      reply: (_request: unknown, data: unknown) => void replies.push(data),
    },
  };
  const call = new FakeCall();
  const devices = new FakeDevices();
  const stop = connectHost(api as never, call, devices);
  const ask = (action: string, data?: unknown): boolean => {
    let taken = false;
    handlers.get(`action:${action}`)?.({ preventDefault: () => (taken = true), detail: { data } });
    return taken;
  };
  return { call, devices, handlers, sent, replies, screen, stop, ask };
}

describe('a host', () => {
  it('may mute and turn the camera off, and hears what holds', () => {
    const { devices, ask, replies, sent } = stand();
    expect(ask('io.element.device_mute', { audio_enabled: false, video_enabled: false })).toBe(true);
    expect([devices.talking, devices.camera]).toEqual([false, undefined]);
    expect(replies).toEqual([{ audio_enabled: false, video_enabled: false }]);
    expect(sent.at(-1)).toEqual(['io.element.device_mute', { audio_enabled: false, video_enabled: false }]);
  });

  it('may not turn on what this person turned off', () => {
    const { devices, ask, replies } = stand();
    devices.setMuted(true);
    devices.closeCamera();
    ask('io.element.device_mute', { audio_enabled: true, video_enabled: true });
    expect([devices.talking, devices.camera]).toEqual([false, undefined]);
    expect(replies).toEqual([{ audio_enabled: false, video_enabled: false }]);
  });

  it.each([undefined, null, {}, { audio_enabled: 'false', video_enabled: 0 }])(
    'that says %j changes nothing',
    (data) => {
      const { devices, ask, replies } = stand();
      ask('io.element.device_mute', data);
      expect([devices.muted, devices.camera]).toEqual([[], {}]);
      expect(replies).toEqual([{ audio_enabled: true, video_enabled: true }]);
    },
  );

  it('hears of joining and hanging up once each, whoever ends the call', () => {
    const { call, ask, sent, screen } = stand();
    for (const phase of ['joined', 'away', 'joined', 'reconnecting', 'joined'] as const) call.become(phase);
    ask('im.vector.hangup');
    expect(call.leave).toHaveBeenCalledOnce();
    call.become('left');
    call.become('left');
    expect(sent.map(([action]) => action)).toEqual(['io.element.join', 'im.vector.hangup']);
    expect(screen).toEqual([true, false]);
  });

  it('hears that the call went to another tab', () => {
    const { call, sent } = stand();
    call.become('joined');
    call.become('replaced');
    expect(sent.map(([action]) => action)).toEqual(['io.element.join', 'im.vector.hangup']);
  });

  it('hears nothing after the connection ended', () => {
    const { call, devices, handlers, sent, stop } = stand();
    stop();
    call.become('joined');
    devices.setMuted(true);
    expect([handlers.size, sent]).toEqual([0, []]);
  });
});
