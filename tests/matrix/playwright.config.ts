import { resolve } from 'node:path';
import { defineConfig } from '@playwright/test';

/** Calls on real servers: Synapse, LiveKit, genuine Element Call. Each test starts its own browsers and servers. */
export default defineConfig({
  testDir: '.',
  outputDir: resolve(import.meta.dirname, '../../test-results/matrix'),
  globalSetup: '../browser/global_setup.ts',
  workers: 1,
  fullyParallel: false,
  retries: process.env.CI ? 1 : 0,
  timeout: 240_000,
  reporter: [['list']],
  forbidOnly: true,
  projects: [{ name: 'matrix' }],
});
