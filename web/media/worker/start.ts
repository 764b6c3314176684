/** From surroundings to a measured engine: what every worker of ours does before its first frame. */
import type { EngineModule, FormatName } from '../engine_types';
import type { EngineInfo } from '../types';
import { calibrate, type Thresholds } from './calibration';
import { FrameEngine } from './frame_engine';

/** What a test replaces. */
export interface EngineSurroundings {
  loadEngine(): Promise<EngineModule>;
  /** Takes a web lock and keeps it; resolves when it is held, never where there are no locks. */
  holdLock(name: string): Promise<void>;
  subtle: SubtleCrypto | undefined;
  now(): number;
}

/** `asked`: thresholds instead of measured ones (SFrame has no split path). Rejects with MediaError. */
export async function startEngine(
  around: EngineSurroundings,
  format: FormatName,
  asked: Thresholds | undefined,
): Promise<{ engine: FrameEngine; info: EngineInfo }> {
  const began = around.now();
  const module = await around.loadEngine();
  const engine = new FrameEngine(module, around.subtle);
  const given = format === 'sframe' ? undefined : asked;
  const webCryptoFrom = given ?? (await calibrate(engine, around.subtle, format, () => around.now()));
  const variant = module.variant() as EngineInfo['variant'];
  return { engine, info: { variant, webCryptoFrom, setupMs: around.now() - began } };
}
