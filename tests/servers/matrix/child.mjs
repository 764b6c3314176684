// One server process: started with its output in a file, waited for, ended by its process id.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const running = new Set();
// Node runs this also after an uncaught error. When this process is killed, the kernel ends the children (below).
process.on('exit', () => {
  for (const child of running) child.process?.kill('SIGKILL');
});

export class Child {
  /** The process while it runs. */
  process = null;
  #ended = null;
  #why = '';

  /**
   * @param {string} name for messages
   * @param {{ command: string, args: string[], cwd: string, env?: Record<string, string>, log: string,
   *   ready: () => Promise<boolean>, readyWithinMs: number }} how
   */
  constructor(name, how) {
    this.name = name;
    this.how = how;
  }

  get pid() {
    return this.process?.pid ?? null;
  }

  get running() {
    return this.process !== null;
  }

  /** Resolves when the server answers; throws with the end of its log when it does not in time. */
  async start() {
    if (this.process) throw new Error(`${this.name} runs already`);
    const { command, args, cwd, env, log, ready, readyWithinMs } = this.how;
    const file = openSync(log, 'a');
    // The kernel ends the server when this process dies, however it dies. setpriv replaces itself: the id is the server's.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', file, file],
    });
    closeSync(file);
    this.process = child;
    this.#why = '';
    running.add(this);
    this.#ended = new Promise((done) => {
      const end = (why) => {
        this.#why ||= why;
        if (this.process === child) this.process = null;
        running.delete(this);
        done();
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(`ended with ${signal ?? `code ${code}`}`));
    });
    const until = performance.now() + readyWithinMs;
    while (this.process) {
      if (await ready().catch(() => false)) return;
      if (performance.now() > until) {
        this.#why = `gives no answer after ${readyWithinMs} ms`;
        await this.kill();
        break;
      }
      await sleep(60);
    }
    throw new Error(`${this.name} ${this.#why}. The end of ${log}:\n${this.tail()}`);
  }

  tail(lines = 15) {
    try {
      return readFileSync(this.how.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '(no log)';
    }
  }

  /** Asks it to end; kills it after `patienceMs`. */
  async stop(patienceMs = 5000) {
    const child = this.process;
    if (!child) return;
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    await this.#ended;
    clearTimeout(late);
  }

  async kill() {
    this.process?.kill('SIGKILL');
    await this.#ended;
  }
}
