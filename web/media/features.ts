/**
 * What this browser can do. Only looks; starts nothing. Works on a page and in a worker; the WebRTC part on a page.
 */
import type { MediaFailure } from './types';

/** (func (result v128) (i8x16.splat 0) (i8x16.popcnt)): valid only with SIMD128. */
const kSimdProbe = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** (func (result v128) (i8x16.relaxed_swizzle (i8x16.splat 1) (i8x16.splat 2))): valid only with relaxed SIMD. */
const kRelaxedProbe = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15,
  253, 128, 2, 11,
]);

export type Variant = 'simd' | 'simd-relaxed';

/** The fastest build that runs here, or why none does. */
export function chooseVariant(
  validate: ((bytes: Uint8Array<ArrayBuffer>) => boolean) | undefined = globalThis.WebAssembly?.validate,
): Variant | 'no-wasm' | 'no-simd' {
  if (!validate) return 'no-wasm';
  if (!validate(kSimdProbe)) return 'no-simd';
  return validate(kRelaxedProbe) ? 'simd-relaxed' : 'simd';
}

/** How a transform gets between encoder and network here. */
export type TransformPath = 'script' | 'streams';

export function hasEncodedStreams(): boolean {
  return typeof RTCRtpSender !== 'undefined' && 'createEncodedStreams' in RTCRtpSender.prototype;
}

/** The standard way where there is one. */
export function transformPath(): TransformPath | undefined {
  if (typeof RTCRtpScriptTransform !== 'undefined') return 'script';
  return hasEncodedStreams() ? 'streams' : undefined;
}

/** What is missing for encrypted calls, most basic first. */
export function missingFeature(): MediaFailure | undefined {
  if (typeof RTCPeerConnection === 'undefined') return 'no-webrtc';
  if (transformPath() === undefined) return 'no-encoded-transform';
  const variant = chooseVariant();
  return variant === 'no-wasm' || variant === 'no-simd' ? variant : undefined;
}

/**
 * Where a file of the assets folder lies: with or without the slash at its end; a relative text counts from the page, the
 * default is the folder beside the one of the asking module.
 */
export function assetUrl(name: string, assets: string | URL | undefined, module: string): URL {
  if (assets === undefined) return new URL(`../assets/${name}`, module);
  const folder = new URL(assets, globalThis.document?.baseURI);
  folder.pathname = `${folder.pathname.replace(/\/$/, '')}/${name}`;
  return folder;
}
