import { resolve } from 'node:path';
import { defineConfig } from '@playwright/test';

/** Conferences on real servers: Prosody, the focus and bridges of tests/servers/jitsi, stock clients. Each test has its own. */
export default defineConfig({
  testDir: '.',
  outputDir: resolve(import.meta.dirname, '../../test-results/jitsi'),
  globalSetup: '../browser/global_setup.ts',
  workers: 1,
  fullyParallel: false,
  retries: process.env.CI ? 1 : 0,
  timeout: 180_000,
  reporter: [['list']],
  forbidOnly: true,
  projects: [{ name: 'jitsi' }],
});
