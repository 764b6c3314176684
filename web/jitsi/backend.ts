/** What a page starts with. */
import { MediaCipher } from '../media/media_cipher';
import { parseAddress } from './address';
import { JitsiRoom } from './jitsi_room';
import { loadOlm } from './olm';
import type { JitsiBackend } from './types';

/** `assets`: folder with the worker, the .wasm files and olm.wasm; same origin. */
export function createJitsiBackend(options: { assets?: URL | string } = {}): JitsiBackend {
  const assets = new URL(options.assets ?? new URL('../assets/', import.meta.url), location.href);
  return {
    parseAddress,
    createCall: (call) =>
      new JitsiRoom({
        options: call,
        createCipher: () => new MediaCipher({ assets, format: 'jframe' }),
        loadOlm: () => loadOlm(new URL('olm.wasm', assets)),
      }),
  };
}
