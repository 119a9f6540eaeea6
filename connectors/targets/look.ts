import { lookup } from 'node:dns/promises';
import { atAddress, type Endpoint } from './endpoint.ts';
import { TargetFailure, reasonOf } from './failure.ts';
import { servedCertificate, type Served } from './served-certificate.ts';

/** One connection of a look: what was served there, or why nothing was. */
export type Seen = Served | TargetFailure;

export const isServed = (seen: Seen): seen is Served => !(seen instanceof TargetFailure);

/**
 * Looks at an endpoint by one fresh connection, or by as many as its quorum counts: at once, and shared out over all addresses of its name, so that
 * each server of a pool is met, whether a balancer or the name's addresses lead to it. Never throws.
 *
 * @param keyType `rsa`, `ec` or `ed25519`: of the certificate to look for, where a server has several
 */
export async function look(endpoint: Endpoint, keyType?: string): Promise<readonly Seen[]> {
  const { quorum, host } = endpoint;
  const seen = (of: Endpoint): Promise<Seen> =>
    servedCertificate(of, keyType).catch((error: unknown) =>
      error instanceof TargetFailure ? error : new TargetFailure('verify', 'no TLS handshake'),
    );
  if (quorum === undefined) return [await seen(endpoint)];
  const addresses = await addressesOf(host);
  if (addresses instanceof TargetFailure) return [addresses];
  return Promise.all(
    Array.from({ length: quorum.of }, (_, place) => seen(atAddress(endpoint, addresses[place % addresses.length] ?? host))),
  );
}

async function addressesOf(host: string): Promise<readonly string[] | TargetFailure> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    return new TargetFailure('verify', `${host} has no address: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * What a look says that an endpoint serves: the expected certificate where so many connections as must have it, else the one of the others that most
 * have; undefined when nobody serves anything else.
 *
 * @param expected SHA-256 in hex; empty where nobody knows
 */
export function prevailing({ quorum }: Endpoint, looked: readonly Seen[], expected: readonly string[]): Served | undefined {
  const served = looked.filter(isServed);
  const count = (fingerprint: string): number => served.filter((one) => one.fingerprint === fingerprint).length;
  const wanted = served.find(({ fingerprint }) => expected.includes(fingerprint) && count(fingerprint) >= (quorum?.matching ?? 1));
  const others = served.filter(({ fingerprint }) => !expected.includes(fingerprint));
  return wanted ?? others.toSorted((a, b) => count(b.fingerprint) - count(a.fingerprint))[0];
}

/** Why nothing prevails, for people. */
export function silence(looked: readonly Seen[]): TargetFailure {
  return (
    looked.find((seen): seen is TargetFailure => seen instanceof TargetFailure) ??
    new TargetFailure('verify', 'fewer connections show the certificate than must')
  );
}
