import { Resolver } from 'node:dns/promises';
import type { CaaRecord } from '#domain/probe/caa.ts';
import { ProbeError } from '#domain/probe/probe.ts';

const maxAliases = 8;

/** Looks names up at DNS servers only: no hosts file, no search list, no local names. */
export interface NameResolver {
  /** Addresses of the family that the resolver is for. @throws {ProbeError} `dns`, `onlyIpv6` when only the other family has some */
  addresses(name: string): Promise<readonly string[]>;
  /** TXT records, the strings of each joined; aliases are followed. @throws {ProbeError} `dns` */
  texts(name: string): Promise<readonly string[]>;
  /** CAA records of exactly this name; empty when there are none. @throws {ProbeError} `caa` when that cannot be known */
  caa(name: string): Promise<readonly CaaRecord[]>;
}

/**
 * @param servers `host:port` or `host`; empty: the system's. A server that fails is followed by the next.
 * @param family the addresses that this network reaches
 */
export function nameResolver(servers: readonly string[], family: 4 | 6 = 4): NameResolver {
  const make = (): Resolver => {
    const resolver = new Resolver({ timeout: 3000, tries: 2 });
    if (servers.length > 0) resolver.setServers(servers);
    return resolver;
  };
  return {
    async addresses(name) {
      const resolver = make();
      try {
        return await (family === 4 ? resolver.resolve4(name) : resolver.resolve6(name));
      } catch (error) {
        if (family === 4 && codeOf(error) === 'ENODATA' && (await hasOnlyIpv6(resolver, name))) {
          const detail = 'the name has only IPv6 addresses, and validation goes over IPv4';
          throw new ProbeError('dns', detail, { cause: error, onlyIpv6: true });
        }
        throw refusal(error, family === 4 ? 'A' : 'AAAA');
      }
    },
    async texts(name) {
      const resolver = make();
      const visited = new Set<string>();
      let current = name.toLowerCase();
      while (visited.size <= maxAliases) {
        if (visited.has(current)) throw new ProbeError('dns', 'the name is an alias of itself');
        visited.add(current);
        // A recursive server follows aliases itself; an authoritative one leaves the last step to us.
        const found = await textsOf(resolver, current);
        if ('texts' in found) return found.texts;
        const alias = await aliasOf(resolver, current);
        if (alias === undefined) throw found.refused;
        current = alias;
      }
      throw new ProbeError('dns', `more than ${maxAliases} aliases`);
    },
    async caa(name) {
      try {
        return (await make().resolveCaa(name)).map(caaRecord);
      } catch (error) {
        // Only what is certain to be absent is no restriction (RFC 8659 §3).
        if (['ENODATA', 'ENOTFOUND'].includes(codeOf(error))) return [];
        throw new ProbeError('caa', `CAA look-up at ${name}: ${reasons[codeOf(error)] ?? 'failed'}`, { cause: error });
      }
    },
  };
}

/** Node names a record's value after its tag. */
function caaRecord(record: object): CaaRecord {
  const { critical, type: _, ...property } = record as Readonly<Record<string, unknown>>;
  const [[tag, value] = ['', '']] = Object.entries(property);
  return { critical: Number(critical) >= 128, tag: tag.toLowerCase(), value: String(value) };
}

/** The records, or the refusal that stands unless the name is an alias. */
async function textsOf(
  resolver: Resolver,
  name: string,
): Promise<{ readonly texts: readonly string[] } | { readonly refused: ProbeError }> {
  try {
    const records = await resolver.resolveTxt(name);
    return records.length > 0 ? { texts: records.map((strings) => strings.join('')) } : { refused: refusal({ code: 'ENODATA' }, 'TXT') };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENODATA' || code === 'ENOTFOUND') return { refused: refusal(error, 'TXT') };
    throw refusal(error, 'TXT');
  }
}

async function aliasOf(resolver: Resolver, name: string): Promise<string | undefined> {
  try {
    return (await resolver.resolveCname(name))[0]?.toLowerCase();
  } catch {
    return undefined;
  }
}

async function hasOnlyIpv6(resolver: Resolver, name: string): Promise<boolean> {
  try {
    return (await resolver.resolve6(name)).length > 0;
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? '';
}

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name does not exist (NXDOMAIN)',
  ENODATA: 'the name has no record of this type',
  ESERVFAIL: 'the name server failed (SERVFAIL)',
  ETIMEOUT: 'the name server did not answer in time',
  EREFUSED: 'the name server refused to answer',
  ECONNREFUSED: 'the name server could not be reached',
};

function refusal(error: unknown, type: string): ProbeError {
  return new ProbeError('dns', `${type} look-up: ${reasons[codeOf(error)] ?? 'failed'}`, { cause: error });
}
