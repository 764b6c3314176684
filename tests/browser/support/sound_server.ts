/**
 * A private sound server for the browsers under test. Firefox needs one: without it `AudioContext.resume()` never
 * settles. It plays into a null sink, listens on a socket in its own folder and touches no sound set-up of the machine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until';

export interface SoundServer {
  /** Variables a browser needs to find it. */
  readonly environment: { XDG_RUNTIME_DIR: string; PULSE_SERVER: string };
  stop(): Promise<void>;
}

export async function startSoundServer(): Promise<SoundServer> {
  const folder = mkdtempSync(join(tmpdir(), 'siegel-sound-'));
  const socket = join(folder, 'pulse', 'native');
  const environment = { XDG_RUNTIME_DIR: folder, PULSE_SERVER: `unix:${socket}` };
  const server: ChildProcess = spawn(
    'pulseaudio',
    [
      '-n',
      '--daemonize=no',
      '--exit-idle-time=-1',
      '--disallow-exit',
      '--use-pid-file=no',
      '-L',
      'module-null-sink sink_name=null',
      '-L',
      'module-native-protocol-unix',
    ],
    {
      env: { ...process.env, XDG_RUNTIME_DIR: folder, HOME: folder, PULSE_SERVER: '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let errors = '';
  let ended = false;
  server.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  server.once('error', (error) => {
    ended = true;
    errors += error.message;
  });
  server.once('exit', () => {
    ended = true;
  });
  await until(
    () => existsSync(socket) || ended,
    10_000,
    () => `no socket from pulseaudio: ${errors}`,
  );
  if (ended) throw new Error(`pulseaudio did not start (package "pulseaudio"): ${errors}`);
  return {
    environment,
    async stop() {
      server.kill('SIGKILL');
      await until(
        () => ended,
        5000,
        () => 'pulseaudio does not end',
      );
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
