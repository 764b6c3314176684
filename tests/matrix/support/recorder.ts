/**
 * A recorder at the media server, and what somebody can open of its recordings with keys that they hold. The opening is done
 * by the shipped engine, outside of every page.
 */
import { chromium, test } from '@playwright/test';
import { loadEngine } from '../../../tools/engine.mjs';
import { chromiumOptions } from '../../browser/support/launch_options';
import type { Stack } from '../../servers/matrix/stack.mjs';
import type { RecordedFrame } from '../pages/recorder/main';
import type { Guest } from './meeting';

export type { RecordedFrame };

export interface Recorder {
  /** At least this many frames of sound and picture of each identity. Throws when they do not come. */
  record(identities: readonly string[], audio?: number, video?: number): Promise<RecordedFrame[]>;
  close(): Promise<void>;
}

/** Nobody in the room is shown that it is there. */
export async function startRecorder(stack: Stack, liveKitRoom: string): Promise<Recorder> {
  const browser = await chromium.launch(chromiumOptions());
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  await page.goto(`${stack.pages?.url}/tests/recorder/`);
  await page.locator('html[data-ready]').waitFor({ state: 'attached' });
  await stack.livekit.makeRoom(liveKitRoom);
  const token = await stack.livekit.token('recorder', liveKitRoom, 3600, { hidden: true });
  await page.evaluate(([url, jwt]) => recorder.join(url, jwt), [stack.livekit.url, token] as const);
  return {
    async record(identities, audio = 100, video = 30) {
      const frames = await page.evaluate(
        ([names, sounds, pictures]) => recorder.record([...names], sounds, pictures, 30_000),
        [identities, audio, video] as const,
      );
      for (const identity of identities) {
        const sound = frames.filter((frame) => frame.identity === identity && frame.type === 'audio').length;
        const picture = frames.filter((frame) => frame.identity === identity && frame.type !== 'audio').length;
        if (sound < audio || picture < video)
          throw new Error(`only ${sound} frames of sound and ${picture} of picture recorded of ${identity}`);
      }
      return frames;
    },
    close: () => browser.close(),
  };
}

const kIndexOffset = 2; // hexadecimal digits from the end

/** As the frame itself says, in its last byte. */
export const keyIndexOf = ({ bytes }: RecordedFrame) => Number.parseInt(bytes.slice(-kIndexOffset), 16);

export const keyIndexesOf = (frames: readonly RecordedFrame[], identity: string) => [
  ...new Set(frames.filter((frame) => frame.identity === identity).map(keyIndexOf)),
];

/** Runs in every frame of a page before its scripts: writes down each media key that the page hands to the browser. */
export function installKeyNotes(): void {
  // An empty page is no secure context, and has no keys.
  if ('siegelHeldKeys' in globalThis || !('SubtleCrypto' in globalThis)) return;
  globalThis.siegelHeldKeys = [];
  const native = SubtleCrypto.prototype.importKey as (...all: unknown[]) => Promise<CryptoKey>;
  SubtleCrypto.prototype.importKey = function (this: SubtleCrypto, ...all: unknown[]) {
    const [format, data, algorithm] = all;
    if (format === 'raw' && algorithm === 'HKDF')
      globalThis.siegelHeldKeys.push(
        Array.from(new Uint8Array(data as Uint8Array), (byte) => byte.toString(16).padStart(2, '0')).join(''),
      );
    return native.apply(this, all);
  } as never;
}

declare global {
  var siegelHeldKeys: string[];
}

/** Every media key that ever was in this person's page, their own included; hexadecimal. */
export const keysHeldBy = async (guest: Guest): Promise<string[]> => [
  ...new Set(await guest.frame().evaluate(() => siegelHeldKeys)),
];

export interface Opened {
  frames: number;
  opened: number;
  /** Whose tag verifies under none of the keys. */
  refused: number;
}

/** Tries every key on every frame, whatever index the key once had. Anything but a tag that does not verify is an error. */
export async function openWith(keys: readonly string[], frames: readonly RecordedFrame[]): Promise<Opened> {
  return test.step(`${keys.length} keys on ${frames.length} frames`, async () => {
    const engine = await loadEngine();
    const result: Opened = { frames: frames.length, opened: 0, refused: 0 };
    const indexes = new Set(frames.map(keyIndexOf));
    const openers = keys.flatMap((key) => {
      // A replay window of its own for each sender.
      const of = new Map<string, ReturnType<typeof engine.opener>>();
      for (const { identity } of frames) {
        if (of.has(identity)) continue;
        const opener = engine.opener('livekit', 256, 0);
        for (const index of indexes) {
          const error = opener.setKey(index, Buffer.from(key, 'hex'), 'hkdf');
          if (error !== 'None') throw new Error(error);
        }
        of.set(identity, opener);
      }
      return [of];
    });
    for (const { identity, type, bytes } of frames) {
      const info = { codec: type === 'audio' ? 'opus' : 'vp8', type };
      const outcomes = openers.map((of) => of.get(identity)!.open(Buffer.from(bytes, 'hex'), info).error ?? 'None');
      const strange = outcomes.filter((outcome) => outcome !== 'None' && outcome !== 'Authentication');
      if (strange.length > 0) throw new Error(`a recorded frame is no sealed frame: ${strange}`);
      if (outcomes.includes('None')) result.opened++;
      else result.refused++;
    }
    for (const of of openers) for (const opener of of.values()) opener.delete();
    return result;
  });
}
