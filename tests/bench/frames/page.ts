/** Starts the benchmark's worker and keeps its report for the runner. */
import type { Report } from './bench_worker';

declare global {
  var siegelBench: { run(effort: number): Promise<Report>; progress: string };
}

globalThis.siegelBench = {
  progress: '',
  run: (effort) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./bench_worker.js', import.meta.url), { type: 'module' });
      worker.onerror = (event) => reject(new Error(`worker: ${event.message}`));
      worker.onmessage = ({ data }) => {
        if (data?.kind === 'progress') globalThis.siegelBench.progress = data.data;
        else if (data?.kind === 'report') resolve(data.data);
        else if (data?.kind === 'broken') reject(new Error(data.data));
      };
      worker.postMessage({ kind: 'run', data: { effort } });
    }),
};
