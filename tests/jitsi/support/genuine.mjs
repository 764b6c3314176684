// Where the stock clients are (tools/setup/jitsi.sh fetched them), and what a web host serves so that one runs.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const root = new URL('../../../', import.meta.url).pathname;

/** @param {'lyno' | 'solyd'} name: of December 2021, of March 2022 */
export function clientFolder(name) {
  const cache = process.env.SIEGEL_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'siegel');
  const folder = join(cache, 'jitsi-clients-1', name);
  if (!existsSync(join(folder, '.complete'))) {
    throw new Error('the stock Jitsi clients are not there: run tools/setup.sh jitsi first');
  }
  return name === 'solyd' ? join(folder, 'dist/umd') : folder;
}

/**
 * Folders for the stack's web host. `worker`: the client's own, or ours under its name.
 * @param {{ client: 'lyno' | 'solyd', worker?: 'stock' | 'siegel' }} options
 */
export function genuineFolders({ client, worker = 'stock' }) {
  const from = clientFolder(client);
  let folder = from;
  if (worker === 'siegel') {
    folder = mkdtempSync(join(tmpdir(), 'siegel-jitsi-client-'));
    mkdirSync(folder, { recursive: true });
    copyFileSync(join(from, 'lib-jitsi-meet.min.js'), join(folder, 'lib-jitsi-meet.min.js'));
    copyFileSync(
      join(root, 'dist/jitsi-worker/lib-jitsi-meet.e2ee-worker.js'),
      join(folder, 'lib-jitsi-meet.e2ee-worker.js'),
    );
  }
  return {
    '/stock/': join(root, 'tests/jitsi/genuine'),
    '/client/': folder,
    '/npm/': join(root, 'node_modules'),
  };
}
