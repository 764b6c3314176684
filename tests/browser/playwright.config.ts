import { resolve } from 'node:path';
import { defineConfig } from '@playwright/test';
import { chromiumOptions, firefoxOptions } from './support/launch_options';

/**
 * Real browsers of the distribution. `chromium` and `firefox` run what each browser does alone; `calls` starts its
 * browsers itself, because one test mixes several kinds. One worker: a call needs all the processor there is.
 */
export default defineConfig({
  testDir: '.',
  outputDir: resolve(import.meta.dirname, '../../test-results/browser'),
  globalSetup: './global_setup.ts',
  workers: 1,
  fullyParallel: false,
  // Real calls on a shared machine of two cores: one more try in CI, listed as such; by hand every failure counts.
  retries: process.env.CI ? 1 : 0,
  timeout: 180_000,
  reporter: [['list']],
  forbidOnly: true,
  projects: [
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
  ],
});
