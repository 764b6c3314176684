/** Where set-up keeps what it fetched (tools/setup/common.sh has the same). */
import { homedir } from 'node:os';
import { join } from 'node:path';

export const cache =
  process.env.SIEGEL_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'siegel');
