import { chromiumOptions, firefoxOptions } from '../browser/support/launch_options';
import { suite } from '../browser/support/suite';

/** Backgrounds in real browsers. */
export default suite('background', 120_000, [
  {
    name: 'chromium',
    testIgnore: '**/call.spec.ts',
    use: { browserName: 'chromium', launchOptions: chromiumOptions() },
  },
  {
    name: 'firefox',
    testIgnore: ['**/streams.spec.ts', '**/call.spec.ts'],
    use: { browserName: 'firefox', channel: 'moz-firefox', launchOptions: firefoxOptions() },
  },
  // Starts its browsers itself.
  { name: 'calls', testMatch: '**/call.spec.ts' },
]);
