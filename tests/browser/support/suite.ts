/** What every suite of browser tests has in common. */
import { resolve } from 'node:path';
import { defineConfig, type PlaywrightTestConfig } from '@playwright/test';

/**
 * Set in CI, which has less time than all of it takes on two cores. Tests marked @long are left out then, those marked @once run
 * in Chromium only; ./test names what was left out.
 */
const kShort = (process.env.SIEGEL_SHORT ?? '') !== '';

/**
 * `folder`: of tests/, and of test-results/. One worker, one test at a time: calls, sound and pictures have deadlines, and two
 * cores are what there may be. (Two at a time were tried with calls on real servers: no faster.) One more try in CI, listed as
 * such; by hand every failure counts.
 */
export function suite(
  folder: string,
  timeout: number,
  projects: PlaywrightTestConfig['projects'],
): PlaywrightTestConfig {
  return defineConfig({
    testDir: resolve(import.meta.dirname, '../..', folder),
    outputDir: resolve(import.meta.dirname, '../../../test-results', folder),
    globalSetup: resolve(import.meta.dirname, '../global_setup.ts'),
    workers: 1,
    fullyParallel: false,
    retries: process.env.CI ? 1 : 0,
    timeout,
    reporter: [['list']],
    forbidOnly: true,
    projects: (projects ?? []).map((project) =>
      kShort ? { ...project, grepInvert: project.name === 'firefox' ? /@long|@once/ : /@long/ } : project,
    ),
  });
}
