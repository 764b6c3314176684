/** The Matrix page: what the address asks for, the layer that talks to Matrix, and the application. */
import { backgroundFromAddress, noiseFromAddress } from '../../web/call';
import { callMode, createMatrixBackend, parseTarget } from '../../web/matrix';
import type { MatrixTarget } from '../../web/matrix/types';
import { SiegelMatrixApp } from '../../web/ui/matrix_app';

/** `#/room/<address>?hs=…`, or nothing: names a room and holds no secret. A damaged one is no reason not to sign in. */
function target(): MatrixTarget | undefined {
  if (!location.hash.startsWith('#/room/')) return undefined;
  try {
    return parseTarget(location.hash);
  } catch {
    return undefined;
  }
}

const app = new SiegelMatrixApp();
const assets = new URL('/assets/', location.href);
app.backend = createMatrixBackend({ assets });
app.mediaOptions = {
  assets,
  noise: noiseFromAddress(location.search),
  background: backgroundFromAddress(location.search),
};
app.target = target();
app.mode = callMode(location.href);
document.body.append(app);

// Another link was put into the address bar of this page.
addEventListener('hashchange', () => {
  if (target()) location.reload();
});
