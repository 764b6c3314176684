/** How the browsers are started: fake devices, no questions, sound allowed, and nothing sent anywhere but to loopback. */
import type { LaunchOptions } from '@playwright/test';

export interface ChromiumMedia {
  /** WAV and Y4M that stand for microphone and camera; the browser's own beeps and test picture without them. */
  tone?: string;
  picture?: string;
  /** Title of the tab that screen sharing captures, with its sound; the browser's own fake screen without. */
  tab?: string;
}

export function chromiumOptions(media: ChromiumMedia = {}, extra: string[] = []): LaunchOptions {
  const args = [
    '--no-sandbox',
    // The fake questions are answered with a fake screen.
    media.tab === undefined ? '--use-fake-ui-for-media-stream' : '--auto-accept-camera-and-microphone-capture',
    '--use-fake-device-for-media-stream',
    '--autoplay-policy=no-user-gesture-required',
    media.tab === undefined
      ? '--auto-select-desktop-capture-source=Entire screen'
      : `--auto-select-tab-capture-source-by-title=${media.tab}`,
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1',
    ...extra,
  ];
  if (media.tone !== undefined) args.push(`--use-file-for-fake-audio-capture=${media.tone}`);
  if (media.picture !== undefined) args.push(`--use-file-for-fake-video-capture=${media.picture}`);
  return {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args,
    // With it a captured tab is silent as well.
    ...(media.tab === undefined ? {} : { ignoreDefaultArgs: ['--mute-audio'] }),
  };
}

export function firefoxOptions(
  toneHz = 1000,
  environment: Record<string, string> = {},
  look: { dark?: boolean } = {},
): LaunchOptions {
  return {
    executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
    // `channel` selects the driver that speaks WebDriver BiDi to an unpatched Firefox.
    channel: 'moz-firefox',
    env: { ...stringEnvironment(), ...environment },
    firefoxUserPrefs: {
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      'media.navigator.audio.fake_frequency': toneHz,
      'media.peerconnection.ice.loopback': true,
      'media.peerconnection.ice.obfuscate_host_addresses': false,
      'media.autoplay.default': 0,
      'media.autoplay.blocking_policy': 0,
      'layout.css.prefers-color-scheme.content-override': look.dark === true ? 0 : 1,
    },
  };
}

export function stringEnvironment(): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) result[name] = value;
  return result;
}
