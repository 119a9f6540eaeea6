import type * as z from 'zod';
import {
  archiveCertificate,
  createCertificate,
  getCertificate,
  listCertificates,
  listVersions,
  renewCertificate,
  replaceCertificate,
  replaceCertificateTargets,
  type CertificateBody,
} from '#contract/certificates.ts';
import type { AgentCertificates } from '#adapters/postgres/agent-certificates.ts';
import type { CertificateTargets } from '#adapters/postgres/certificate-targets.ts';
import type { DiscoveredCertificates, DiscoveredRow } from '#adapters/postgres/discovered-certificates.ts';
import type { BulkCertificates } from '#adapters/postgres/bulk-certificates.ts';
import type { CertificateChange, ManagedCertificates, ManagedRecord } from '#adapters/postgres/managed-certificates.ts';
import { reaches, reachOf, type Caller, type Reach } from '#domain/access/grant.ts';
import { sharesName, type DiscoveredFacts } from '#domain/discovery/discovered.ts';
import { keyAlgorithmOfFound, namesOfFound } from '#domain/discovery/order-of-found.ts';
import { CaError } from '#domain/error.ts';
import { assertIssuable, assertNamesAllowed, requestedNames } from '#domain/lifecycle/issue-managed.ts';
import { orderedName } from '#domain/lifecycle/ordered-name.ts';
import type { Profile } from '#domain/issuance/profile.ts';
import { parseCsr } from '#domain/x509/csr.ts';
import { fromPem, pemChain } from '#domain/x509/pem.ts';
import type { Wake } from '../shared/wake.ts';
import { bulkOperations, type BulkPorts } from './bulk-certificates.ts';
import { serve, serveList, type Served } from './router.ts';
import { stale } from './stale.ts';

export interface CertificatePorts {
  readonly store: ManagedCertificates;
  readonly ofAgents: AgentCertificates;
  readonly targets: CertificateTargets;
  readonly found: Pick<DiscoveredCertificates, 'find'>;
  /** Tells agents that there may be work. */
  readonly tell: (agentIds: readonly string[]) => Promise<void>;
  readonly profile: (id: string) => Promise<Profile | undefined>;
  readonly wake: Wake;
  readonly bulk: BulkCertificates;
  readonly hint: (jobId: string) => Promise<void>;
  readonly hintAt: BulkPorts['hint'];
  readonly newId: (prefix: string) => string;
  readonly now: () => number;
}

const dayMs = 86_400_000;

/** The operations of `contract/certificates.ts`. */
export function certificateOperations(ports: CertificatePorts): readonly Served[] {
  const show = (record: ManagedRecord): CertificateBody => body(record, ports.now());
  /** What lies outside of the caller's reach is not told apart from what does not exist. */
  const existing = async (id: string, reach: Reach): Promise<ManagedRecord> => {
    const record = await ports.store.find(id);
    if (record === undefined || !reaches(reach, { profile: record.profileId, issuer: record.issuerId }))
      throw new CaError('notFound', 'no such certificate');
    return record;
  };
  const within = async (id: string, reach: Reach): Promise<void> => {
    if (reach !== 'all') await existing(id, reach);
  };
  return [
    serveList(
      listCertificates,
      ({ query: { expires_after: after, expires_before: before, ...query }, page, reach }) =>
        ports.store.list(page, { ...query, expiresAfter: dateOf(after), expiresBefore: dateOf(before), reach }),
      show,
    ),
    serve(getCertificate, async ({ params, reach }) => show(await existing(params.id, reach))),
    serve(createCertificate, async ({ body, caller, reach }) => {
      if (!reaches(reach, { profile: body.profile, issuer: body.issuer }))
        throw new CaError('unauthorized', 'the permission cert.issue does not reach this profile, nor this issuer');
      const profile = await ports.profile(body.profile);
      if (!profile?.enabled) throw new CaError('malformed', 'the body: profile: no such profile, or it is disabled');
      const found = body.discovered === undefined ? undefined : await claimable(ports, body.discovered, caller);
      if (body.targets !== undefined) return ofAgents(ports, show, profile, body, found, caller?.id ?? '');
      const csr = parseCsr(fromPem('CERTIFICATE REQUEST', body.csr ?? ''));
      // Refused here and now rather than by the job a moment later.
      assertIssuable(csr, profile);
      const names = requestedNames(csr).flatMap((name) => (name.type === 'other' ? [] : [{ type: name.type, value: name.value }]));
      assertSharesName(found, names);
      const job = ports.newId('job');
      await ports.wake('jobProcessor', 'jobTimeout');
      const id = ports.newId('mc');
      await ports.store.create(
        {
          id,
          name: body.name,
          profileId: body.profile,
          issuerId: body.issuer,
          change: changeOf(body),
          commonName: csr.commonNames[0] ?? names[0]?.value,
          sans: names,
          discovered: found?.id,
          csr: csr.der,
          keepCsr: body.keep_csr,
          jobId: job,
        },
        caller?.id ?? '',
      );
      await ports.hint(job);
      return { certificate: show(await existing(id, 'all')), job, jobs: [job] };
    }),
    serve(renewCertificate, async ({ params, caller, reach }) => {
      const { keySource, state } = await existing(params.id, reach);
      await ports.wake('jobProcessor', 'jobTimeout', 'notificationProcess');
      if (keySource === 'agent') {
        const made = await ports.ofAgents.renew(params.id, caller?.id ?? '');
        const [first] = made?.jobIds ?? [];
        if (made === undefined || first === undefined)
          throw new CaError(
            'conflict',
            state === 'active' || state === 'pending' ? 'no agent has a target of it' : `the certificate is ${state}`,
          );
        await ports.tell(made.agentIds);
        return { job: first };
      }
      const job = await ports.store.renew(params.id, ports.newId('job'), caller?.id ?? '');
      if (job === undefined) throw new CaError('conflict', `the certificate is ${(await existing(params.id, reach)).state}`);
      await ports.hint(job);
      return { job };
    }),
    serve(replaceCertificate, async ({ params, body, caller, reach, expected }) => {
      await within(params.id, reach);
      await ports.wake('renewalCheck');
      const replaced = await ports.store.replace(params.id, changeOf(body), expected, caller?.id ?? '');
      if (replaced !== undefined) return show(replaced);
      const now = await existing(params.id, reach);
      if (now.state === 'archived') throw new CaError('conflict', 'the certificate is archived');
      return stale('certificate', now);
    }),
    serve(replaceCertificateTargets, async ({ params, body, caller, reach, expected }) => {
      await within(params.id, reach);
      await ports.wake('jobProcessor', 'jobTimeout', 'notificationProcess');
      const agents = await ports.targets.replace(params.id, [...new Set(body.targets)], expected, caller?.id ?? '');
      const now = await existing(params.id, reach);
      if (agents === undefined) return stale('certificate', now);
      await ports.tell(agents);
      return show(now);
    }),
    serve(archiveCertificate, async ({ params, caller, reach }) => {
      await within(params.id, reach);
      await ports.wake('jobTimeout');
      const archived = await ports.store.archive(params.id, caller?.id ?? '');
      if (archived === undefined) throw new CaError('notFound', 'no such certificate');
      return show(archived);
    }),
    ...bulkOperations({
      store: ports.bulk,
      certificate: async (id, reach) => show(await existing(id, reach)),
      renewByAgents: async (id, actor) => {
        const made = await ports.ofAgents.renew(id, actor);
        if (made !== undefined) await ports.tell(made.agentIds);
        return made !== undefined;
      },
      tell: ports.tell,
      wake: ports.wake,
      hint: ports.hintAt,
    }),
    serve(listVersions, async ({ params, reach }) => {
      await existing(params.id, reach);
      const items = (await ports.store.versions(params.id)).map((version) => ({
        id: version.id,
        serial: version.serial,
        not_before: version.notBefore.toISOString(),
        not_after: version.notAfter.toISOString(),
        current: version.current,
        orphan: version.orphan,
        pem: pemChain(version.chain) + (version.foreignChain ?? ''),
      }));
      return { items };
    }),
  ];
}

type Found = Pick<DiscoveredRow, 'id' | 'sans'> & Pick<DiscoveredFacts, 'commonName' | 'keyAlgorithm' | 'keySize'>;

/** A certificate that was found, and that nobody has decided about. @throws {CaError} `unauthorized`, `malformed`, `conflict` */
async function claimable(ports: CertificatePorts, id: string, caller: Caller | undefined): Promise<Found> {
  // Where the route asks for one permission, this takes another as well: as far as for the claim by itself.
  if (caller === undefined || reachOf(caller, 'discovery.claim') !== 'all')
    throw new CaError('unauthorized', 'the permission discovery.claim is needed for a discovered certificate');
  const row = await ports.found.find(id);
  if (row === undefined) throw new CaError('malformed', 'the body: discovered: no such discovered certificate');
  if (row.status !== 'unmanaged') throw new CaError('conflict', `the discovered certificate is ${row.status}`);
  if (row.is_ca) throw new CaError('conflict', 'the discovered certificate is that of a CA');
  const { sans, key_algorithm: keyAlgorithm } = row;
  return { id, sans, commonName: row.common_name ?? undefined, keyAlgorithm, keySize: row.key_size ?? undefined };
}

/** @throws {CaError} `conflict` */
function assertSharesName(found: Found | undefined, sans: DiscoveredFacts['sans']): void {
  if (found !== undefined && !sharesName(found, { commonName: undefined, sans }))
    throw new CaError(
      'conflict',
      'the discovered certificate has none of these names; claim it by itself, with force, where they belong together',
    );
}

/** A certificate whose keys the agents of its targets make. */
async function ofAgents(
  ports: CertificatePorts,
  show: (record: ManagedRecord) => CertificateBody,
  profile: Profile,
  body: z.output<typeof createCertificate.body>,
  found: Found | undefined,
  actor: string,
): Promise<{ certificate: CertificateBody; job: string; jobs: string[] }> {
  const sans = body.names === undefined && found !== undefined ? namesOfFound(found) : (body.names ?? []).map(orderedName);
  assertSharesName(found, sans);
  assertNamesAllowed(sans, profile);
  const id = ports.newId('mc');
  await ports.wake('jobProcessor', 'jobTimeout', 'notificationProcess');
  const { jobIds, agentIds } = await ports.ofAgents.create(
    {
      id,
      name: body.name,
      profileId: body.profile,
      issuerId: body.issuer,
      change: changeOf(body),
      commonName: sans.find(({ type }) => type === 'dns')?.value,
      sans,
      discovered: found?.id,
      keyAlgorithm: body.key_algorithm ?? (found === undefined ? 'ECDSA-P256' : keyAlgorithmOfFound(found)),
      targetIds: [...new Set(body.targets)],
    },
    actor,
  );
  await ports.tell(agentIds);
  const created = await ports.store.find(id);
  const [job] = jobIds;
  if (created === undefined || job === undefined) throw new Error('no row');
  return { certificate: show(created), job, jobs: [...jobIds] };
}

function changeOf(body: z.output<typeof replaceCertificate.body>): CertificateChange {
  const { policy, owner, team, environment, tags } = body;
  return { policyId: policy, ownerId: owner ?? undefined, teamId: team ?? undefined, environment, tags };
}

function dateOf(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}

function body(record: ManagedRecord, now: number): CertificateBody {
  return {
    id: record.id,
    name: record.name,
    state: record.state,
    health: healthOf(record, now),
    profile: record.profileId,
    issuer: record.issuerId,
    policy: record.policyId,
    owner: record.ownerId ?? null,
    team: record.teamId ?? null,
    environment: record.environment,
    tags: { ...record.tags },
    common_name: record.commonName ?? null,
    sans: [...record.sans],
    serial: record.serial ?? null,
    not_before: record.notBefore?.toISOString() ?? null,
    not_after: record.notAfter?.toISOString() ?? null,
    key_source: record.keySource,
    key_algorithm: record.keyAlgorithm ?? null,
    targets: [...record.targets],
    deployment: record.deployment,
    renew_at: record.renewAt?.toISOString() ?? null,
    last_error: record.lastError ?? null,
    version: record.version,
    created_at: record.createdAt.toISOString(),
    updated_at: record.updatedAt.toISOString(),
  };
}

/** Health is computed at each look, so that no background writer can be late with it. */
function healthOf(record: ManagedRecord, now: number): CertificateBody['health'] {
  if (record.state === 'held' || record.state === 'revoked' || record.state === 'archived') return record.state;
  if (record.job !== undefined) return record.state === 'pending' ? 'pending' : 'renewing';
  // By ACME, or because its CA fell.
  if (record.currentRevoked) return 'revoked';
  if (record.notAfter === undefined) return record.lastError === undefined ? 'pending' : 'failed';
  const left = record.notAfter.getTime() - now;
  if (left <= 0) return 'expired';
  const lifetime = record.notAfter.getTime() - (record.notBefore?.getTime() ?? 0);
  return left < Math.min(record.windowDays * dayMs, lifetime / 3) ? 'expiring' : 'good';
}
