const capSeconds = 6 * 3600;

/**
 * Seconds until the next attempt: doubled with each, capped at six hours, ±20 % so that what failed together does not return together.
 *
 * @param attempt 1 for the first failure
 * @param dice a fraction from 0 to 1
 */
export function backoffSeconds(baseSeconds: number, attempt: number, dice: number): number {
  const delay = Math.min(capSeconds, baseSeconds * 2 ** Math.max(0, attempt - 1));
  return Math.max(1, Math.round(delay * (0.8 + 0.4 * dice)));
}
