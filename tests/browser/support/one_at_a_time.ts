/**
 * One browser run at a time on a machine: calls need both cores, and two runs only make each other late. A lock file with
 * the process id; one that a dead process left is taken over. Returns how to release it.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const kLock = join(tmpdir(), 'siegel-browser-tests.lock');

function holder(): number {
  try {
    return Number(readFileSync(kLock, 'utf8'));
  } catch {
    return 0;
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function oneAtATime(): Promise<() => void> {
  mkdirSync(tmpdir(), { recursive: true });
  for (let said = false; ; ) {
    try {
      writeFileSync(kLock, String(process.pid), { flag: 'wx' });
      return () => rmSync(kLock, { force: true });
    } catch {
      const pid = holder();
      if (pid > 0 && !alive(pid)) {
        rmSync(kLock, { force: true });
        continue;
      }
      if (!said) console.log('waiting for another browser run on this machine to end');
      said = true;
      await sleep(500);
    }
  }
}
