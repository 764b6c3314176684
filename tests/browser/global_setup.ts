/**
 * Before all tests: a sound server. After all: it ends. The variables set here reach the test workers and, through them,
 * the browsers.
 */
import { startSoundServer } from './support/sound_server';

export default async function globalSetup(): Promise<() => Promise<void>> {
  const sound = await startSoundServer();
  Object.assign(process.env, sound.environment);
  return () => sound.stop();
}
