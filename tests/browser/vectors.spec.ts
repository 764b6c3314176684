/**
 * All recorded vectors, in this browser, against the modules as they are served. The first test would also pass for a
 * checker that compares nothing; the second, with one frame exchanged, would not.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from '@playwright/test';
import type { RunningServer } from '../../tools/serve.mjs';
import { startSite } from './support/call';

const kFolder = resolve(import.meta.dirname, '../vectors');

function vectors(): Record<string, unknown> {
  const names = readdirSync(kFolder).filter((name) => name.endsWith('.json'));
  return Object.fromEntries(names.map((name) => [name, JSON.parse(readFileSync(resolve(kFolder, name), 'utf8'))]));
}

let server: RunningServer;
test.beforeAll(async () => {
  server = await startSite();
});
test.afterAll(() => server.close());

for (const variant of ['simd', 'relaxed'] as const) {
  test(`all vectors, ${variant} module`, async ({ page }) => {
    await page.goto(`${server.url}/tests/vectors/`);
    await page.waitForFunction(() => 'runVectors' in globalThis);
    const { passed, failed } = await page.evaluate(({ variant, files }) => runVectors(variant, files), {
      variant,
      files: vectors(),
    });
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(5000);
  });
}

test('an exchanged frame is noticed', async ({ page }) => {
  const files = vectors();
  const jframe = files['jitsi-jframe-vectors.json'] as { frames: { encrypted: string }[] };
  jframe.frames[3]!.encrypted = jframe.frames[4]!.encrypted;
  await page.goto(`${server.url}/tests/vectors/`);
  await page.waitForFunction(() => 'runVectors' in globalThis);
  const { failed } = await page.evaluate((files) => runVectors('simd', files), files);
  expect(failed.length).toBeGreaterThan(0);
});
