import { resolve } from 'node:path';
import { defineConfig } from '@playwright/test';
import { chromiumOptions, firefoxOptions } from '../browser/support/launch_options';

/** Backgrounds in real browsers. One worker: pictures have deadlines. */
export default defineConfig({
  testDir: '.',
  outputDir: resolve(import.meta.dirname, '../../test-results/background'),
  globalSetup: '../browser/global_setup.ts',
  workers: 1,
  fullyParallel: false,
  retries: process.env.CI ? 1 : 0,
  timeout: 120_000,
  reporter: [['list']],
  forbidOnly: true,
  projects: [
    { name: 'chromium', use: { browserName: 'chromium', launchOptions: chromiumOptions() } },
    {
      name: 'firefox',
      use: { browserName: 'firefox', channel: 'moz-firefox', launchOptions: firefoxOptions() },
    },
  ],
});
