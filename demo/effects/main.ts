/** The effects page: noise suppression and backgrounds, to try on anything. */
import { SiegelBackgroundLab } from '../../web/ui/background_lab';
import { SiegelEffectsLab } from '../../web/ui/effects_lab';

const assets = new URL('/assets/', location.href);
let shown: HTMLElement | undefined;

function show(): void {
  const lab = location.hash === '#background' ? new SiegelBackgroundLab() : new SiegelEffectsLab();
  lab.assets = assets;
  shown?.remove();
  shown = lab;
  document.body.append(lab);
}
addEventListener('hashchange', show);
show();
