import { chromiumOptions, firefoxOptions } from '../browser/support/launch_options';
import { suite } from '../browser/support/suite';

/** Backgrounds in real browsers. */
export default suite('background', 120_000, [
  { name: 'chromium', use: { browserName: 'chromium', launchOptions: chromiumOptions() } },
  {
    name: 'firefox',
    testIgnore: '**/streams.spec.ts',
    use: { browserName: 'firefox', channel: 'moz-firefox', launchOptions: firefoxOptions() },
  },
]);
