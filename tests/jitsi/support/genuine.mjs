// Where the stock clients are (tools/setup/jitsi.sh fetched them), and what a web host serves so that one runs.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cache } from '../../../tools/cache.mjs';

const root = new URL('../../../', import.meta.url).pathname;

/** @param {'lyno' | 'solyd'} name: of December 2021, of March 2022 */
export function clientFolder(name) {
  const folder = join(cache, 'jitsi-clients-2', name);
  if (!existsSync(join(folder, '.complete'))) {
    throw new Error('the stock Jitsi clients are not there: run tools/setup.sh jitsi first');
  }
  return name === 'solyd' ? join(folder, 'dist/umd') : folder;
}

/**
 * Folders for the stack's web host: the client as it is, and once more with our worker under the name of its own.
 * @param {{ client: 'lyno' | 'solyd' }} options
 */
export function genuineFolders({ client }) {
  const folder = clientFolder(client);
  return {
    '/stock/': join(root, 'tests/jitsi/genuine'),
    '/client/': folder,
    '/client-siegel/': [join(root, 'dist/jitsi-worker'), folder],
    '/npm/': join(root, 'node_modules'),
  };
}
