import { z } from 'zod';
import { envelope } from '#adapters/kms/envelope.ts';
import { connectDatabase } from '#adapters/postgres/connection.ts';
import { issuanceStore } from '#adapters/postgres/issuance.ts';
import { crlStore } from '#adapters/postgres/revocations.ts';
import { artifacts } from '#adapters/s3/artifacts.ts';
import { authorities } from '../shared/authorities.ts';
import { chance } from '../shared/chance.ts';
import { crlPublisher } from '../shared/crl-publisher.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';

const settings = z.object({ ...environment.database, ...environment.artifacts, ...environment.envelope }).parse(process.env);
const database = connectDatabase(settings, 'loop-crl-generation', 60_000);
const store = crlStore(database);
const authority = authorities(issuanceStore(database), envelope(settings.ENVELOPE_KEY_ARN));
const publish = crlPublisher(store, artifacts(settings.ARTIFACT_BUCKET), () => chance.now());

/** Publishes the CRLs that lack a revocation or are past half of their life. One CA's failure leaves the others theirs. */
export async function handler(event: { readonly warmup?: true }): Promise<{ readonly published: number; readonly failed: number }> {
  if (event.warmup === true) return { published: 0, failed: 0 };
  database.wake(chance.now());
  let published = 0;
  let failed = 0;
  for (const caId of await store.due(new Date(chance.now()))) {
    try {
      await publish(await authority(caId));
      published += 1;
    } catch (error) {
      failed += 1;
      log.error('a CRL was not published', { caId, error: error as Error });
    }
  }
  return { published, failed };
}
