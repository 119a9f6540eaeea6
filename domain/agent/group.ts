import Range from 'semver/classes/range.js';
import { rangeHolds } from '../x509/ip-address.ts';
import { versionOf } from './version.ts';

/** What a group asks of an agent; undefined asks nothing. */
export interface GroupCriteria {
  readonly os: string | undefined;
  readonly architecture: string | undefined;
  /** A range such as `10.0.0.0/8` or `2001:db8::/32`. */
  readonly ipRange: string | undefined;
  /** As npm writes ranges, e.g. `>=1.2 <2`. */
  readonly versionRange: string | undefined;
}

/** What people said of single agents. */
export interface GroupWords {
  readonly included: ReadonlySet<string>;
  readonly excluded: ReadonlySet<string>;
}

/** What of an agent groups look at. */
export interface Groupable {
  readonly id: string;
  readonly os: string;
  readonly architecture: string;
  readonly version: string;
  readonly ipAddress: string | undefined;
}

/** Why an agent belongs to a group. */
export type Membership = 'included' | 'matched';

/**
 * Who belongs to a group: whoever was put into it, and whoever meets all its criteria; nobody who was kept out of it. A group that asks nothing has only
 * whom people put there. An address or a version that is missing or cannot be read meets no criterion.
 */
export function membershipIn(criteria: GroupCriteria, words: GroupWords): (agent: Groupable) => Membership | undefined {
  const { os, architecture, ipRange, versionRange } = criteria;
  const asks = [os, architecture, ipRange, versionRange].some((criterion) => criterion !== undefined);
  const versions = versionRange === undefined ? undefined : versionsIn(versionRange);
  return (agent) => {
    if (words.excluded.has(agent.id)) return undefined;
    if (words.included.has(agent.id)) return 'included';
    const meets =
      asks &&
      (os === undefined || os === agent.os) &&
      (architecture === undefined || architecture === agent.architecture) &&
      (ipRange === undefined || (agent.ipAddress !== undefined && rangeHolds(ipRange, plainAddress(agent.ipAddress)))) &&
      (versions === undefined || versions(agent.version));
    return meets ? 'matched' : undefined;
  };
}

/** Whether a text is a range of versions. */
export function isVersionRange(text: string): boolean {
  return rangeOf(text) !== undefined;
}

function versionsIn(text: string): (version: string) => boolean {
  const range = rangeOf(text);
  return (version) => {
    const said = versionOf(version);
    return said !== undefined && range?.test(said) === true;
  };
}

// Builds before a release are of the release's line, also where the range does not name them.
function rangeOf(text: string): Range | undefined {
  try {
    return new Range(text, { includePrerelease: true });
  } catch {
    return undefined;
  }
}

/** A socket that takes both families shows IPv4 as `::ffff:192.0.2.1` (RFC 4291 §2.5.5.2). */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
