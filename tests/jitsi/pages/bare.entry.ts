/** A page without a page: the Jitsi layer for specs, driven from outside. */
import { LocalMedia } from '../../../web/call';
import { createJitsiBackend } from '../../../web/jitsi';
import type { JitsiCall, JitsiCallOptions } from '../../../web/jitsi/types';

const backend = createJitsiBackend({ assets: new URL('/assets/', location.href) });
const log: string[] = [];
let call: JitsiCall | undefined;

Object.assign(globalThis, {
  siegel: {
    log,
    get call() {
      return call;
    },
    async start(
      options: Omit<JitsiCallOptions, 'media'> & { name: string; audio?: boolean; video?: boolean },
    ): Promise<string> {
      const media = new LocalMedia();
      Object.assign(globalThis, { media });
      if (options.audio !== false) log.push(`microphone ${await media.openMicrophone()}`);
      if (options.video !== false) log.push(`camera ${await media.openCamera()}`);
      call = backend.createCall({ ...options, media });
      let stage = '';
      call.on('change', () => {
        const now = `${call?.stage} ${call?.phase} ${call?.problem ?? ''}`;
        if (now !== stage) log.push(now);
        stage = now;
      });
      try {
        await call.join(options.name);
        return 'joined';
      } catch (error) {
        return `${(error as { problem?: string }).problem} ${error}`;
      }
    },
  },
});
document.body.dataset.ready = '';
