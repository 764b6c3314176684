/** The Jitsi page: what the address asks for, the layer that talks to the deployment, and the application. */
import { backgroundFromAddress, noiseFromAddress } from '../../web/call';
import { createJitsiBackend } from '../../web/jitsi';
import { SiegelJitsiApp } from '../../web/ui/jitsi_app';

/**
 * `#https://meet.example.org/Room`, or nothing. The fragment is not sent to any server; with a token in it, it is taken out of
 * the address bar and the history at once.
 */
function target(): string | undefined {
  const text = location.hash.slice(1);
  if (!text) return undefined;
  // As it is: it is an address already. Some programs escape what stands behind the #.
  if (text.includes('://')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const app = new SiegelJitsiApp();
const assets = new URL('/assets/', location.href);
app.backend = createJitsiBackend({ assets });
app.mediaOptions = {
  assets,
  noise: noiseFromAddress(location.search),
  background: backgroundFromAddress(location.search),
};
app.address = target();
if (app.address !== undefined) history.replaceState(history.state, '', location.pathname + location.search);
let shown = '';
app.addEventListener('room', (event) => {
  shown = `#${(event as CustomEvent<string>).detail}`;
  history.replaceState(history.state, '', shown);
});
const transport = new URL(location.href).searchParams.get('transport');
if (transport === 'websocket' || transport === 'bosh') app.transport = transport;
document.body.append(app);

// Another link was put into the address bar of this page.
addEventListener('hashchange', () => {
  if (location.hash && location.hash !== shown) location.reload();
});
