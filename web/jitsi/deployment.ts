/**
 * From a room's address to the deployment behind it: fetches config.js as text. Nothing of the provider's pages is loaded.
 *
 * Errors: JitsiError 'unknown-server', 'not-jitsi', 'bad-config'. Threads: main.
 */
import { readDeployment, stockDeployment } from './config';
import { type Deployment, type JitsiAddress, JitsiError } from './types';

const kLimitMs = 10_000;
const kMaxBytes = 500_000;

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, {
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
    redirect: 'follow',
    cache: 'no-store',
    signal: AbortSignal.timeout(kLimitMs),
  });
  if (!response.ok || !response.body) throw new JitsiError('not-jitsi');
  const reader = response.body.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > kMaxBytes) {
      await reader.cancel();
      throw new JitsiError('bad-config');
    }
    parts.push(value);
  }
  return new Blob(parts as BlobPart[]).text();
}

/** Whether a server answers at all, when its answer must not be read. */
async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url, {
      mode: 'no-cors',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      cache: 'no-store',
      signal: AbortSignal.timeout(kLimitMs),
    });
    return true;
  } catch {
    return false;
  }
}

/**
 * Reads the deployment's config.js. Where the server does not let other origins read it, but answers, what stock deployments
 * have is assumed (`assumed`): Prosody lets other origins in by default, so that often leads on.
 */
export async function findDeployment(address: JitsiAddress): Promise<{ deployment: Deployment; assumed: boolean }> {
  const places = [`${address.origin}${address.base}/config.js`, `${address.origin}/config.js`];
  let problem: JitsiError | undefined;
  for (const place of new Set(places)) {
    try {
      return { deployment: readDeployment(await fetchText(place), address), assumed: false };
    } catch (error) {
      if (error instanceof JitsiError) problem = error;
    }
  }
  if (problem) throw problem;
  if (await answers(places[1] as string)) return { deployment: stockDeployment(address), assumed: true };
  throw new JitsiError('unknown-server');
}
