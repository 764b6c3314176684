/** What a browser keeps for the origin of a page or frame. */
import type { Frame, Page } from '@playwright/test';

export function kept(where: Page | Frame) {
  return where.evaluate(async () => ({
    cookie: document.cookie,
    local: Object.keys(localStorage),
    session: Object.keys(sessionStorage),
    databases: (await indexedDB.databases()).map(({ name }) => name ?? '').sort(),
    caches: await caches.keys(),
    workers: (await navigator.serviceWorker.getRegistrations()).length,
  }));
}

export const kNothing = { cookie: '', local: [], session: [], databases: [], caches: [], workers: 0 };
