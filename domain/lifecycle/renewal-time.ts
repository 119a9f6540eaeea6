const dayMs = 86_400_000;
const shortMs = 10 * dayMs;

/**
 * When a certificate is renewed: the policy's window before its end, yet never more than a third of its life (half, when it lives less than ten
 * days), spread by ±1 % of its life so that a fleet made in one minute is not renewed in one.
 *
 * @param spread a fraction from 0 to 1, drawn once per certificate
 */
export function renewalTime(life: { readonly notBefore: Date; readonly notAfter: Date }, windowDays: number, spread: number): Date {
  const end = life.notAfter.getTime();
  const lifetime = end - life.notBefore.getTime();
  const lead = Math.min(windowDays * dayMs, lifetime / (lifetime < shortMs ? 2 : 3));
  return new Date(Math.floor(end - lead + (spread - 0.5) * 0.02 * lifetime));
}

/**
 * The next threshold of a policy that a certificate passes after a time; undefined when none is left.
 *
 * @param thresholdDays days before notAfter
 */
export function nextAlert(
  notAfter: Date,
  thresholdDays: readonly number[],
  after: Date,
): { readonly at: Date; readonly days: number } | undefined {
  return thresholdDays
    .map((days) => ({ days, at: new Date(notAfter.getTime() - days * dayMs) }))
    .filter(({ at }) => at.getTime() > after.getTime())
    .sort((a, b) => a.at.getTime() - b.at.getTime())[0];
}
