/** The call page: takes the invitation out of the address bar, then hands over to the application. */
import { backgroundFromAddress, noiseFromAddress } from '../../web/call';
import { takeInvitation } from '../../web/keys';
import { MediaCipher } from '../../web/media';
import { SiegelCallApp } from '../../web/ui/call_app';

const noise = noiseFromAddress(location.search);
const background = backgroundFromAddress(location.search);
// First of all: afterwards the secret is in memory only.
const link = takeInvitation(location, history);

const app = new SiegelCallApp();
const assets = new URL('/assets/', location.href);
app.createCipher = () => new MediaCipher({ assets });
app.mediaOptions = { assets, noise, background };
app.signalUrl = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/signal`;
app.open(link);
document.body.append(app);

// Another link was put into the address bar of this page.
addEventListener('hashchange', () => {
  if (location.hash === '') return;
  location.reload();
});
