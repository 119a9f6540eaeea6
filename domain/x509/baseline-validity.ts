/** The longest life of a TLS server certificate by its day of issue, newest first (CA/Browser Forum BR §6.3.2). */
const steps = [
  { from: Date.UTC(2029, 2, 15), days: 47 },
  { from: Date.UTC(2027, 2, 15), days: 100 },
  { from: Date.UTC(2026, 2, 15), days: 200 },
] as const;
const before = 398;

/** @param issuedAt milliseconds since the epoch @returns days, both ends counted */
export function baselineValidityDays(issuedAt: number): number {
  return steps.find(({ from }) => issuedAt >= from)?.days ?? before;
}
