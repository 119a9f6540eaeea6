/** Waits, unless the signal comes first. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}

/** A period spread by ±10 %, so that a fleet that was started together does not come together. @param dice a fraction from 0 to 1 */
export function spread(seconds: number, dice: number): number {
  return seconds * 1000 * (0.9 + 0.2 * dice);
}

const longestMs = 300_000;

/**
 * How long to stay away after failures in a row: doubling from two seconds to five minutes, anywhere up to that, never less than the
 * platform asked for.
 *
 * @param retryAfter seconds; NaN when the platform did not say
 * @param dice a fraction from 0 to 1
 */
export function backoffMs(failures: number, retryAfter: number, dice: number): number {
  const ceiling = Math.min(longestMs, 1000 * 2 ** Math.min(failures, 20));
  const asked = Number.isFinite(retryAfter) ? Math.min(longestMs, retryAfter * 1000) : 0;
  return asked + Math.max(500, ceiling * dice);
}
