/** What every suite of browser tests has in common. */
import { resolve } from 'node:path';
import { defineConfig, type PlaywrightTestConfig } from '@playwright/test';

/**
 * `folder`: of tests/, and of test-results/. `workers`: tests at a time, default one: sound and pictures have deadlines, and two
 * cores are what there may be. Two for calls on real servers, which wait for each other most of the time. One more try in CI,
 * listed as such; by hand every failure counts.
 */
export function suite(
  folder: string,
  timeout: number,
  projects: PlaywrightTestConfig['projects'],
  workers = 1,
): PlaywrightTestConfig {
  return defineConfig({
    testDir: resolve(import.meta.dirname, '../..', folder),
    outputDir: resolve(import.meta.dirname, '../../../test-results', folder),
    globalSetup: resolve(import.meta.dirname, '../global_setup.ts'),
    workers,
    fullyParallel: workers > 1,
    retries: process.env.CI ? 1 : 0,
    timeout,
    reporter: [['list']],
    forbidOnly: true,
    ...(projects ? { projects } : {}),
  });
}
