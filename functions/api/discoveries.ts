import {
  claimDiscovered,
  dismissDiscovered,
  getDiscovered,
  getDiscoverySummary,
  listDiscovered,
  listDiscoveryScans,
  reopenDiscovered,
  type DiscoveredBody,
} from '#contract/discoveries.ts';
import type { DiscoveredCertificates, DiscoveredRow } from '#adapters/postgres/discovered-certificates.ts';
import type { DiscoveryScans } from '#adapters/postgres/discovery-scans.ts';
import type { ManagedCertificates } from '#adapters/postgres/managed-certificates.ts';
import { sharesName } from '#domain/discovery/discovered.ts';
import { CaError } from '#domain/error.ts';
import { toPem } from '#domain/x509/pem.ts';
import { serve, serveList, type Served } from './router.ts';

export interface DiscoveryPorts {
  readonly found: DiscoveredCertificates;
  readonly scans: Pick<DiscoveryScans, 'list'>;
  readonly certificates: Pick<ManagedCertificates, 'find'>;
}

/** The operations of `contract/discoveries.ts`. */
export function discoveryOperations(ports: DiscoveryPorts): readonly Served[] {
  const existing = async (id: string): Promise<DiscoveredRow> => {
    const found = await ports.found.find(id);
    if (found === undefined) throw new CaError('notFound', 'no such discovered certificate');
    return found;
  };
  const decided = async (id: string, deciding: Promise<DiscoveredRow | undefined>): Promise<DiscoveredBody> => {
    const row = await deciding;
    if (row === undefined) throw new CaError('conflict', `the discovered certificate is ${(await existing(id)).status}`);
    return show(row);
  };
  return [
    serveList(
      listDiscovered,
      ({ query: { status, agent, certificate, expires_before: before }, page }) =>
        ports.found.list(page, { status, agent, certificate, expiresBefore: before === undefined ? undefined : new Date(before) }),
      show,
    ),
    serve(getDiscovered, async ({ params }) => {
      const row = await existing(params.id);
      const { certificate, sightings } = await ports.found.whole(params.id);
      return {
        ...show(row),
        pem: toPem('CERTIFICATE', certificate),
        sightings: sightings.map(({ agent_id, first_seen_at, last_seen_at, missing_since, ...place }) => ({
          agent: agent_id,
          ...place,
          first_seen_at: first_seen_at.toISOString(),
          last_seen_at: last_seen_at.toISOString(),
          missing_since: missing_since?.toISOString() ?? null,
        })),
      };
    }),
    serve(claimDiscovered, async ({ params, body, caller }) => {
      const row = await existing(params.id);
      const managed = await ports.certificates.find(body.certificate);
      if (managed === undefined || managed.state === 'archived')
        throw new CaError('malformed', 'the body: certificate: no such certificate, or it is archived');
      if (!body.force && !sharesName({ commonName: row.common_name ?? undefined, sans: row.sans }, managed))
        throw new CaError('conflict', 'the two certificates have no name in common; force says that they belong together all the same');
      return decided(params.id, ports.found.claim(params.id, body.certificate, caller?.id ?? ''));
    }),
    serve(dismissDiscovered, async ({ params, body, caller }) => {
      await existing(params.id);
      return decided(params.id, ports.found.dismiss(params.id, body.reason, caller?.id ?? ''));
    }),
    serve(reopenDiscovered, async ({ params, caller }) => {
      await existing(params.id);
      return decided(params.id, ports.found.reopen(params.id, caller?.id ?? ''));
    }),
    serveList(
      listDiscoveryScans,
      ({ query: { agent }, page }) => ports.scans.list(page, { agent }),
      ({ agent_id, started_at, completed_at, ...scan }) => ({
        id: scan.id,
        agent: agent_id,
        directories: scan.directories,
        certificates_found: scan.certificates_found,
        certificates_new: scan.certificates_new,
        errors: scan.errors,
        duration_ms: scan.duration_ms,
        started_at: started_at.toISOString(),
        completed_at: completed_at?.toISOString() ?? null,
      }),
    ),
    serve(getDiscoverySummary, () => ports.found.summary()),
  ];
}

function show(row: DiscoveredRow): DiscoveredBody {
  const { managed_certificate_id, decided_at, not_before, not_after, first_seen_at, last_seen_at, ...same } = row;
  return {
    id: same.id,
    status: same.status,
    certificate: managed_certificate_id,
    reason: same.reason,
    decided_by: same.decided_by,
    decided_at: decided_at?.toISOString() ?? null,
    fingerprint: same.fingerprint,
    subject: same.subject,
    issuer: same.issuer,
    common_name: same.common_name,
    sans: same.sans,
    serial: same.serial,
    not_before: not_before.toISOString(),
    not_after: not_after.toISOString(),
    key_algorithm: same.key_algorithm,
    key_size: same.key_size,
    is_ca: same.is_ca,
    self_issued: same.self_issued,
    places: same.places,
    first_seen_at: first_seen_at.toISOString(),
    last_seen_at: last_seen_at.toISOString(),
  };
}
