import { resolve } from 'node:path';
import { defineConfig } from '@playwright/test';
import { chromiumOptions, firefoxOptions } from '../browser/support/launch_options';

/** Noise suppression in the audio graphs of real browsers. One worker: sound has deadlines. */
export default defineConfig({
  testDir: '.',
  outputDir: resolve(import.meta.dirname, '../../test-results/denoise'),
  globalSetup: '../browser/global_setup.ts',
  workers: 1,
  fullyParallel: false,
  retries: process.env.CI ? 1 : 0,
  timeout: 120_000,
  reporter: [['list']],
  forbidOnly: true,
  projects: [
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
  ],
});
