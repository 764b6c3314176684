/** The effects page: noise suppression to try on any sound. */
import { SiegelEffectsLab } from '../../web/ui/effects_lab';

const lab = new SiegelEffectsLab();
lab.assets = new URL('/assets/', location.href);
document.body.append(lab);
