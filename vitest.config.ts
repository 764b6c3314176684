import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.{ts,mjs}'],
    environment: 'node',
    testTimeout: 60_000,
    // The machine may have two cores: more workers only slow each other down.
    maxWorkers: 2,
  },
});
