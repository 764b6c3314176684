import { chromiumOptions, firefoxOptions } from '../browser/support/launch_options';
import { suite } from '../browser/support/suite';

/** Noise suppression in the audio graphs of real browsers. */
export default suite('denoise', 120_000, [
  {
    name: 'chromium',
    testIgnore: '**/call.spec.ts',
    use: { browserName: 'chromium', launchOptions: chromiumOptions() },
  },
  {
    name: 'firefox',
    testIgnore: '**/call.spec.ts',
    use: { browserName: 'firefox', channel: 'moz-firefox', launchOptions: firefoxOptions() },
  },
  // Starts its browsers itself.
  { name: 'calls', testMatch: '**/call.spec.ts' },
]);
