/** The WebAssembly engine for scripts and tests, as far as tests in TypeScript use it. Everything: engine.mjs. */

/** `error` is a name of engine/include/siegel/result.h without the k; the other fields are there without one. */
export interface FrameOutcome {
  error?: string;
  frame?: Uint8Array;
  clear?: number;
  keyIndex?: number;
  ivSsrc?: number;
  generation?: number;
  injected?: boolean;
}

export interface FrameInfo {
  codec: string;
  type: string;
  ssrc?: number;
  timestamp?: number;
}

/** Holds keys and replay windows until `delete`. */
export interface ScriptOpener {
  /** The name of an error, 'None' without one. */
  setKey(index: number, material: Uint8Array, derivation: string): string;
  setInjectedFrames(trailer: Uint8Array, accept: boolean): string;
  dropKey(index: number): string;
  open(frame: Uint8Array, info: FrameInfo, nowMs?: number): FrameOutcome;
  delete(): void;
}

export interface ScriptEngine {
  opener(format: 'jframe' | 'livekit' | 'sframe', ringSize?: number, ratchetWindow?: number): ScriptOpener;
}

/** Node only. Throws when neither dist/ nor a build folder has the module. */
export function loadEngine(variant?: 'simd' | 'relaxed'): Promise<ScriptEngine>;
