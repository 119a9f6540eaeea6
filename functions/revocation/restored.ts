import { CaError } from '#domain/error.ts';
import type { SigningAuthority } from '#domain/issuance/issue.ts';
import { scopeText } from '#domain/revocation/crl-scope.ts';
import type { CrlShelf } from '#domain/revocation/crl-shelf.ts';
import type { CrlStore } from '#domain/revocation/store.ts';
import { scopesBehind, takeBack } from '#domain/revocation/take-back.ts';
import { log } from '../shared/log.ts';

/** A restore beneath connections that live is noticed after so long; one that ends them, at once. */
const trustMs = 15_000;
// Each connection of the pool may cost one.
const maxTries = 8;

interface Trust {
  readonly opened: number;
  readonly until: number;
}

/**
 * Lets nothing be said about a CA's certificates from a database that is behind what was published of them: it was restored, and would call
 * revoked ones good. Whoever notices takes the revocations back; until that is done nobody is answered.
 *
 * @throws {CaError} `unavailable` until then
 */
export function unlessRestored(ports: {
  readonly store: CrlStore;
  readonly shelf: CrlShelf;
  readonly authority: (caId: string) => Promise<SigningAuthority>;
  /** As `Database.opened` says. */
  readonly opened: () => number;
  readonly now: () => number;
}): <T>(caId: string, work: () => Promise<T>) => Promise<T> {
  const trusted = new Map<string, Trust>();
  const looking = new Map<string, Promise<void>>();
  const look = async (caId: string): Promise<void> => {
    // Judged by a connection that was there before and is the newest after: whatever is opened later is looked at anew.
    let opened: number;
    do {
      opened = ports.opened();
      for (const scope of await scopesBehind(ports, caId)) {
        log.error('the database is behind the published CRL: it was restored', { crl: scopeText(scope) });
        const taken = await takeBack(ports, await ports.authority(caId), scope);
        log.warn('revocations were taken back from the published CRL', { crl: scopeText(scope), taken });
      }
    } while (opened !== ports.opened());
    trusted.set(caId, { opened, until: ports.now() + trustMs });
  };
  const lookOnce = async (caId: string): Promise<void> => {
    let one = looking.get(caId);
    if (one === undefined) {
      one = look(caId).finally(() => looking.delete(caId));
      looking.set(caId, one);
    }
    try {
      await one;
    } catch (cause) {
      throw new CaError('unavailable', 'the status of certificates is not certain at the moment', { cause, retryAfter: 15 });
    }
  };
  const isTrusted = (caId: string): boolean => {
    const trust = trusted.get(caId);
    return trust?.opened === ports.opened() && ports.now() < trust.until;
  };
  return async (caId, work) => {
    for (let tries = 0; tries < maxTries; tries++) {
      if (!isTrusted(caId)) await lookOnce(caId);
      const result = await work();
      // A connection that was opened meanwhile may lead to another database than the one that was looked at.
      if (isTrusted(caId)) return result;
    }
    throw new CaError('unavailable', 'the database changes too quickly; try again', { retryAfter: 15 });
  };
}
