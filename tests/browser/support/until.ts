/** Polls until `condition` holds; throws with `reason()` when the deadline passes. Returns the ms it took. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number,
  reason: () => string | Promise<string>,
  everyMs = 50,
): Promise<number> {
  const start = performance.now();
  for (;;) {
    if (await condition()) return performance.now() - start;
    if (performance.now() - start > deadlineMs) throw new Error(`${await reason()} (waited ${deadlineMs} ms)`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
