/** Signing in by redirect, by real clicks: our page, the provider's pages, and what a browser keeps or sends of it. */
import { expect, type Page, type Request } from '@playwright/test';
import type { Guest } from './meeting';

/** From the server to the ways in that it offers. */
export async function toWays(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Continue', exact: true }).click();
  await page.locator('#remember').waitFor();
}

export interface RedirectSignIn {
  /** Name on the button, after "Continue with". */
  way: string;
  remember?: boolean;
  /** The provider asks whether it may: the authorization server does. */
  allow?: boolean;
}

/** Our page shows the ways in; goes as far as the provider's own page. */
export async function toProvider({ page }: Guest, { way, remember = false }: RedirectSignIn): Promise<void> {
  const button = page.getByRole('button', { name: `Continue with ${way}`, exact: true });
  if (!(await button.isVisible())) await toWays(page);
  await page.locator('#remember').setChecked(remember);
  await button.click();
  await expect(page.getByRole('heading', { name: /^(Sign in|Allow access\?)$/ })).toBeVisible();
  expect(new URL(page.url()).pathname).toMatch(/^\/interaction\//);
}

export async function atProvider({ page, account }: Guest, { allow = false }: RedirectSignIn): Promise<void> {
  await page.getByLabel('User name').fill(account.userId.slice(1).split(':')[0] ?? '');
  await page.getByLabel('Password').fill(account.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  if (allow) await page.getByRole('button', { name: 'Allow', exact: true }).click();
}

export async function signInByRedirect(guest: Guest, how: RedirectSignIn): Promise<void> {
  await toProvider(guest, how);
  await atProvider(guest, how);
}

/**
 * Every request of a browser, with its headers, from now on. Firefox does not tell the body of a request that was asked for
 * beforehand (CORS), so `fetch` of every document that opens from now on is noted as well.
 */
export class Requests {
  readonly #all: Request[] = [];
  readonly #sent: { what: string; body: string }[] = [];

  private constructor() {}

  static async of({ context }: Guest): Promise<Requests> {
    const requests = new Requests();
    context.on('request', (request) => requests.#all.push(request));
    await context.exposeBinding('siegelSent', (_source, method: string, url: string, body: string) => {
      requests.#sent.push({ what: nameOf(method, url), body });
    });
    await context.addInitScript(() => {
      const original = globalThis.fetch;
      globalThis.fetch = (input, init) => {
        const { siegelSent } = globalThis as unknown as { siegelSent: (...text: string[]) => void };
        const body = init?.body;
        const text = typeof body === 'string' || body instanceof URLSearchParams ? String(body) : '';
        siegelSent(init?.method ?? 'GET', input instanceof Request ? input.url : String(input), text);
        return original(input, init);
      };
    });
    return requests;
  }

  /** Those that hold this text anywhere: address, body or headers. `METHOD origin/path`, each once, sorted. */
  async holding(text: string): Promise<string[]> {
    const holds = (part: string) => part.includes(text) || part.includes(encodeURIComponent(text));
    const found = await Promise.all(
      this.#all.map(async (request) => {
        // A request that waits for its answer has no complete headers yet: those that are known then.
        const late = new Promise<null>((resolve) => setTimeout(resolve, 2000, null));
        const headers = (await Promise.race([request.allHeaders(), late]).catch(() => null)) ?? request.headers();
        // The part behind # is not sent.
        const parts = [request.url().split('#')[0] ?? '', request.postData() ?? '', ...Object.values(headers)];
        return parts.some(holds) ? [nameOf(request.method(), request.url())] : [];
      }),
    );
    const sent = this.#sent.filter(({ body }) => holds(body)).map(({ what }) => what);
    return [...new Set([...found.flat(), ...sent])].sort();
  }

  /** What a document's `fetch` sent to a path the last time. */
  body(path: string): string {
    const last = this.#sent.filter(({ what }) => what.endsWith(path)).at(-1);
    if (!last) throw new Error(`nothing was sent to ${path}`);
    return last.body;
  }

  /** Values that a parameter of an address had. */
  values(name: string): string[] {
    return this.#all.flatMap((request) => new URL(request.url()).searchParams.getAll(name));
  }

  to(path: string): Request[] {
    return this.#all.filter((request) => new URL(request.url()).pathname === path);
  }
}

function nameOf(method: string, url: string): string {
  const { origin, pathname } = new URL(url);
  return `${method} ${origin}${pathname}`;
}

/** Our sign-in page with a problem. */
export async function says(page: Page, problem: string, words: string): Promise<void> {
  const hint = page.locator(`[data-problem="${problem}"]`);
  await expect(hint).toBeVisible({ timeout: 30_000 });
  await expect(hint).toContainText(words);
}
