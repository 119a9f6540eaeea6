import * as z from 'zod';
import { envelope } from '#adapters/kms/envelope.ts';
import { authoritySource } from '#adapters/postgres/authority-source.ts';
import { ocspResponseStore } from '#adapters/postgres/ocsp-responses.ts';
import { crlStore } from '#adapters/postgres/crls.ts';
import { artifacts } from '#adapters/s3/artifacts.ts';
import { scopeText } from '#domain/revocation/crl-scope.ts';
import { scopesBehind } from '#domain/revocation/take-back.ts';
import { authorities } from '../shared/authorities.ts';
import { chance } from '../shared/chance.ts';
import { crlPublisher, crlShelf } from '../shared/crl-publisher.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';
import { measure } from '../shared/metrics.ts';

const settings = z.object({ ...loopEnvironment, ...environment.artifacts, ...environment.envelope }).parse(process.env);

const page = 1000;

/** crlGeneration: publishes the CRLs that lack a revocation or are past half of their life. One's failure leaves the others theirs. OCSP responses
 * that ended leave by the way. */
export const handler = loopHandler('crlGeneration', settings, ({ database, wake }) => {
  const store = crlStore(database);
  const responses = ocspResponseStore(database);
  const authority = authorities(authoritySource(database), envelope(settings.ENVELOPE_KEY_ARN));
  const shelf = crlShelf(artifacts(settings.ARTIFACT_BUCKET));
  const publish = crlPublisher({ store, shelf, authority, now: () => chance.now() });
  return async (run) => {
    let processed = 0;
    let failed = 0;
    let left = false;
    const due = await store.due(new Date(chance.now()));
    const attempt = async (crl: string, work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        failed += 1;
        log.error('a CRL was not published', { crl, error: error as Error });
      }
    };
    for (const caId of await store.authorities()) {
      const wanted = new Map(due.filter((scope) => scope.caId === caId).map((scope) => [scopeText(scope), scope]));
      // A database that was restored knows neither what is due nor what was revoked.
      await attempt(caId, async () => {
        const behind = await scopesBehind({ store, shelf }, caId);
        // What is taken back may make renewals urgent.
        if (behind.length > 0) await wake('renewalCheck');
        for (const scope of behind) wanted.set(scopeText(scope), scope);
      });
      for (const [crl, scope] of wanted) {
        left ||= chance.now() >= run.deadline;
        if (left) break;
        await attempt(crl, async () => {
          await publish(scope);
          processed += 1;
        });
      }
      left ||= chance.now() >= run.deadline;
      if (left) break;
    }
    for (let pruned = page; pruned === page && chance.now() < run.deadline;) pruned = await responses.prune(new Date(chance.now()), page);
    const { nextDue, validityLeft } = await store.outlook(new Date(chance.now()));
    if (validityLeft !== undefined) measure('CrlValidityLeft', validityLeft);
    return { processed, failed, nextDue: left || failed > 0 ? new Date(chance.now()) : nextDue };
  };
});
