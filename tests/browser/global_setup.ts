/**
 * Before all tests: this run's turn, and a sound server. After all: both end. The variables set here reach the test
 * workers and, through them, the browsers.
 */
import { oneAtATime } from './support/one_at_a_time';
import { startSoundServer } from './support/sound_server';

export default async function globalSetup(): Promise<() => Promise<void>> {
  const release = await oneAtATime();
  const sound = await startSoundServer();
  Object.assign(process.env, sound.environment);
  return async () => {
    await sound.stop();
    release();
  };
}
