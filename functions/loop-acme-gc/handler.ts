import * as z from 'zod';
import { acmeGc, type AcmeGc } from '#adapters/postgres/acme-gc.ts';
import { chance } from '../shared/chance.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';

const settings = z.object(loopEnvironment).parse(process.env);
const page = 1000;
const keptOrderDays = 90;
const keptFailureDays = 90;
const keptRunDays = 30;
const sweeps: readonly ((gc: AcmeGc) => Promise<number>)[] = [
  (gc) => gc.expireOrders(page),
  (gc) => gc.expireAuthorizations(page),
  (gc) => gc.purgeOrders(keptOrderDays, page),
  (gc) => gc.forgetRenewals(keptOrderDays, page),
  (gc) => gc.purgeFailures(keptFailureDays, page),
  (gc) => gc.purgeRuns(keptRunDays, page),
];

/** acmeGC: ends and removes what has expired, a chunk at a time. */
export const handler = loopHandler('acmeGC', settings, ({ database }) => {
  const gc = acmeGc(database);
  return async (run) => {
    let processed = 0;
    for (const sweep of sweeps) {
      let done = page;
      while (done === page && chance.now() < run.deadline) {
        done = await sweep(gc);
        processed += done;
      }
    }
    return { processed, failed: 0, nextDue: await gc.nextDue() };
  };
});
