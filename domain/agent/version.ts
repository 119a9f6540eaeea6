import SemVer from 'semver/classes/semver.js';

/** A version as programs say it; `1.10` is `1.10.0`. Undefined when it cannot be read. */
export function versionOf(text: string): SemVer | undefined {
  const short = /^v?(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text.trim());
  try {
    return new SemVer(short === null ? text : `${Number(short[1])}.${Number(short[2] ?? 0)}.0`);
  } catch {
    return undefined;
  }
}

/** Whether an agent is older than the oldest that is wanted. What cannot be read is not known to be new enough. @param minimum empty: any will do */
export function isTooOld(version: string, minimum: string): boolean {
  if (minimum === '') return false;
  const said = versionOf(version);
  return said === undefined || said.compare(minimum) < 0;
}
