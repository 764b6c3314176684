import { chromiumOptions, firefoxOptions } from './support/launch_options';
import { suite } from './support/suite';

/**
 * Real browsers of the distribution. `chromium` and `firefox` run what each browser does alone; `calls` starts its
 * browsers itself, because one test mixes several kinds.
 */
export default suite('browser', 180_000, [
  {
    name: 'chromium',
    testIgnore: ['**/call*.spec.ts', '**/wire/**'],
    use: { browserName: 'chromium', launchOptions: chromiumOptions() },
  },
  {
    name: 'firefox',
    testIgnore: ['**/call*.spec.ts', '**/wire/**'],
    use: { browserName: 'firefox', channel: 'moz-firefox', launchOptions: firefoxOptions() },
  },
  { name: 'calls', testMatch: ['**/call*.spec.ts', '**/wire/*.spec.ts'] },
]);
