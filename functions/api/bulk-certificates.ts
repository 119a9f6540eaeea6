import {
  bulkReassignCertificates,
  bulkRenewCertificates,
  bulkRevokeCertificates,
  releaseCertificate,
  revokeCertificate,
  reasons,
  type BulkAnswer,
  type CertificateBody,
} from '#contract/certificates.ts';
import type { BulkCertificates, Candidate } from '#adapters/postgres/bulk-certificates.ts';
import { conditionsOf, type CertificateFilter } from '#adapters/postgres/managed-certificates.ts';
import type { Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import { reasonCode, revocationStep } from '#domain/revocation/reason.ts';
import type { Wake } from '../shared/wake.ts';
import { serve, type Served } from './router.ts';

export interface BulkPorts {
  readonly store: BulkCertificates;
  /** One certificate as it is now. @throws {CaError} `notFound` */
  readonly certificate: (id: string, reach: Reach) => Promise<CertificateBody>;
  /** Asks the agents of a certificate for new keys. @returns false when none has a target of it */
  readonly renewByAgents: (id: string, actor: string) => Promise<boolean>;
  /** Tells agents that there may be work. */
  readonly tell: (agentIds: readonly string[]) => Promise<void>;
  readonly wake: Wake;
  readonly hint: (message: { readonly jobId: string } | { readonly notificationId: string }) => Promise<void>;
}

type Criteria = Omit<CertificateFilter, 'reach'> & { readonly dry_run: boolean };

const cap = 1000;

/** The operations of `contract/certificates.ts` that revoke, and those that change many at once. */
export function bulkOperations(ports: BulkPorts): readonly Served[] {
  const candidates = async (criteria: Criteria, reach: Reach): Promise<readonly Candidate[]> => {
    const found = await ports.store.candidates(conditionsOf({ ...criteria, reach }), cap + 1);
    if (found.length > cap) throw new CaError('policyViolation', `more than ${cap} certificates meet this; narrow it down`);
    return found;
  };
  /** @param objection why one is left as it is */
  const bulk = async (
    criteria: Criteria,
    reach: Reach,
    objection: (candidate: Candidate) => string | undefined,
    change: (ids: readonly string[]) => Promise<readonly string[]>,
  ): Promise<BulkAnswer> => {
    const found = await candidates(criteria, reach);
    const judged = found.map((candidate) => ({ id: candidate.id, reason: objection(candidate) }));
    const willing = judged.filter(({ reason }) => reason === undefined).map(({ id }) => id);
    const ids = criteria.dry_run || willing.length === 0 ? willing : await change(willing);
    const done = new Set(ids);
    const skipped = judged.filter(({ id }) => !done.has(id)).map(({ id, reason }) => ({ id, reason: reason ?? 'changed meanwhile' }));
    return { dry_run: criteria.dry_run, matched: found.length, done: criteria.dry_run ? 0 : ids.length, skipped, ids: [...ids] };
  };
  const one = async (id: string, reach: Reach): Promise<Candidate> => {
    const [candidate] = await candidates({ ids: [id], dry_run: false }, reach);
    if (candidate === undefined) throw new CaError('notFound', 'no such certificate');
    return candidate;
  };
  const revoke = async (ids: readonly string[], reason: (typeof reasons)[number], actor: string): Promise<readonly string[]> => {
    // Others may have the key that is blocked.
    await ports.wake('jobProcessor', 'notificationProcess', 'renewalCheck');
    const revoked = await ports.store.revoke(ids, reasonCode[reason], actor);
    await Promise.all(revoked.jobIds.map((jobId) => ports.hint({ jobId })));
    // Many more find their way by their loop.
    await Promise.all(revoked.notificationIds.slice(0, 10).map((notificationId) => ports.hint({ notificationId })));
    return revoked.ids;
  };
  /** @returns those whose agents were asked for new keys */
  const renewByAgents = async (ids: readonly string[], actor: string): Promise<readonly string[]> => {
    const found = await ports.store.candidates([['m.id = ANY(?::text[])', ids]], cap);
    const asked: string[] = [];
    for (const { id } of found.filter(({ keySource }) => keySource === 'agent')) if (await ports.renewByAgents(id, actor)) asked.push(id);
    return asked;
  };
  return [
    serve(revokeCertificate, async ({ params, body, caller, reach }) => {
      const candidate = await one(params.id, reach);
      const objection = unrevocable(candidate, body.reason);
      if (objection !== undefined && objection !== doneAlready)
        throw new CaError(candidate.state === 'revoked' ? 'alreadyRevoked' : 'conflict', objection);
      const ids = objection === doneAlready ? [params.id] : await revoke([params.id], body.reason, caller?.id ?? '');
      if (ids.length === 0) throw new CaError('conflict', 'the certificate changed meanwhile');
      return ports.certificate(params.id, reach);
    }),
    serve(releaseCertificate, async ({ params, caller, reach }) => {
      const { state } = await one(params.id, reach);
      if (state !== 'held') throw new CaError('conflict', `only what is held can be released: the certificate is ${state}`);
      await ports.wake('jobProcessor', 'jobTimeout', 'renewalCheck', 'notificationProcess');
      const released = await ports.store.release([params.id], caller?.id ?? '');
      if (released.ids.length === 0) throw new CaError('conflict', 'the certificate changed meanwhile');
      await Promise.all(released.jobIds.map((jobId) => ports.hint({ jobId })));
      await ports.tell(released.agentIds);
      return ports.certificate(params.id, reach);
    }),
    serve(bulkRevokeCertificates, ({ body: { reason, ...criteria }, caller, reach }) =>
      bulk(
        criteria,
        reach,
        (candidate) => unrevocable(candidate, reason),
        (ids) => revoke(ids, reason, caller?.id ?? ''),
      ),
    ),
    serve(bulkRenewCertificates, ({ body, caller, reach }) =>
      bulk(
        body,
        reach,
        ({ state, busy, blocked }) =>
          state === 'held' || state === 'revoked' || state === 'archived'
            ? `it is ${state}`
            : busy
              ? 'a renewal is under way'
              : blocked
                ? 'it breaks a policy rule'
                : undefined,
        async (ids) => {
          await ports.wake('jobProcessor', 'jobTimeout');
          const byAgents = new Set(await renewByAgents(ids, caller?.id ?? ''));
          const renewed = await ports.store.renew(
            ids.filter((id) => !byAgents.has(id)),
            caller?.id ?? '',
          );
          await Promise.all(renewed.jobIds.slice(0, 10).map((jobId) => ports.hint({ jobId })));
          return [...renewed.ids, ...byAgents].sort();
        },
      ),
    ),
    serve(bulkReassignCertificates, ({ body: { new_owner: owner, new_team: team, ...criteria }, caller, reach }) =>
      bulk(
        criteria,
        reach,
        ({ state, ownerId, teamId }) =>
          state === 'archived'
            ? 'it is archived'
            : ownerId === owner && (team === undefined || team === teamId)
              ? 'it is theirs already'
              : undefined,
        (ids) => ports.store.reassign(ids, owner, team, caller?.id ?? ''),
      ),
    ),
  ];
}

const doneAlready = 'it is revoked for this reason already';

/** Why a certificate is left as it is. */
function unrevocable({ state, reason: before, live, foreign }: Candidate, reason: (typeof reasons)[number]): string | undefined {
  const step = revocationStep(state, before, reasonCode[reason]);
  if (typeof step === 'object') return step.refused;
  if (foreign && reason === 'certificateHold') return 'a CA elsewhere signed it, which holds nothing';
  // What was signed while it was being revoked is revoked the second time.
  return step === 'done already' && !live ? doneAlready : undefined;
}
