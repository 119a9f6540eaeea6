const dayMs = 86_400_000;
const shortMs = 10 * dayMs;

/** When a certificate lives, milliseconds without a fraction of a second, as X.509 has them. */
export interface Life {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Whole seconds; the end, which is not of it, comes after the start. */
export interface RenewalWindow {
  readonly start: Date;
  readonly end: Date;
}

/**
 * When a certificate should be renewed (RFC 9773 §4.2): the policy's window before its end, yet never more than a third of its life (half, when it
 * lives less than ten days), 1 % of its life earlier or later, or a quarter of what is left where that is less. It depends on the certificate and its policy alone.
 * `adapters/postgres/renewal-policies.ts` says the same in SQL.
 *
 * @param windowDays of the policy; undefined: none
 * @param shift a fraction from -1 to 1 that moves the window by so much of half of itself
 */
export function suggestedWindow(life: Life, windowDays?: number, shift = 0): RenewalWindow {
  const end = life.notAfter.getTime();
  const lifetime = end - life.notBefore.getTime();
  const lead = Math.min((windowDays ?? Infinity) * dayMs, lifetime / (lifetime < shortMs ? 2 : 3));
  const half = Math.min(lifetime / 100, lead / 4);
  const middle = end - lead + shift * half;
  const start = Math.floor((middle - half) / 1000) * 1000;
  return { start: new Date(start), end: new Date(Math.max(Math.floor((middle + half) / 1000) * 1000, start + 1000)) };
}

/**
 * The instant of {@link suggestedWindow} at which a certificate is renewed: a fleet made in one minute is not renewed in one.
 *
 * @param spread a fraction from 0 to 1, drawn once per version
 */
export function renewalTime(life: Life, windowDays: number, spread: number): Date {
  const { start, end } = suggestedWindow(life, windowDays);
  return new Date(start.getTime() + Math.floor(spread * (end.getTime() - start.getTime())));
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
