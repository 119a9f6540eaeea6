import * as z from 'zod';
import { envelope } from '#adapters/kms/envelope.ts';
import { issuanceStore } from '#adapters/postgres/issuance.ts';
import { ocspResponseStore } from '#adapters/postgres/ocsp-responses.ts';
import { crlStore } from '#adapters/postgres/revocations.ts';
import { artifacts } from '#adapters/s3/artifacts.ts';
import { isBehind } from '#domain/revocation/take-back.ts';
import { authorities } from '../shared/authorities.ts';
import { chance } from '../shared/chance.ts';
import { crlPublisher, crlShelf } from '../shared/crl-publisher.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';
import { measure } from '../shared/metrics.ts';

const settings = z.object({ ...loopEnvironment, ...environment.artifacts, ...environment.envelope }).parse(process.env);

const page = 1000;

/** crlGeneration: publishes the CRLs that lack a revocation or are past half of their life. One CA's failure leaves the others theirs. OCSP responses
 * that ended leave by the way. */
export const handler = loopHandler('crlGeneration', settings, ({ database }) => {
  const store = crlStore(database);
  const responses = ocspResponseStore(database);
  const authority = authorities(issuanceStore(database), envelope(settings.ENVELOPE_KEY_ARN));
  const shelf = crlShelf(artifacts(settings.ARTIFACT_BUCKET));
  const publish = crlPublisher(store, shelf, () => chance.now());
  return async (run) => {
    let processed = 0;
    let failed = 0;
    let left = false;
    const due = new Set(await store.due(new Date(chance.now())));
    for (const caId of await store.authorities()) {
      left = chance.now() >= run.deadline;
      if (left) break;
      try {
        // A database that was restored knows neither what is due nor what was revoked.
        if (!due.has(caId) && !(await isBehind({ store, shelf }, caId))) continue;
        await publish(await authority(caId));
        processed += 1;
      } catch (error) {
        failed += 1;
        log.error('a CRL was not published', { caId, error: error as Error });
      }
    }
    for (let pruned = page; pruned === page && chance.now() < run.deadline;) pruned = await responses.prune(new Date(chance.now()), page);
    const { nextDue, validityLeft } = await store.outlook(new Date(chance.now()));
    if (validityLeft !== undefined) measure('CrlValidityLeft', validityLeft);
    return { processed, failed, nextDue: left || failed > 0 ? new Date(chance.now()) : nextDue };
  };
});
