import type * as z from 'zod';
import { deployCertificate, getDeployment, listDeployments, type DeploymentBody, type deployment } from '#contract/deployments.ts';
import type { AgentGroups } from '#adapters/postgres/agent-groups.ts';
import type { DeploymentRecord, Deployments } from '#adapters/postgres/deployments.ts';
import type { ManagedCertificates } from '#adapters/postgres/managed-certificates.ts';
import { CaError } from '#domain/error.ts';
import type { Wake } from '../shared/wake.ts';
import { serve, serveList, type Served } from './router.ts';

export interface DeploymentPorts {
  readonly store: Deployments;
  readonly certificates: Pick<ManagedCertificates, 'find'>;
  readonly groups: Pick<AgentGroups, 'memberIds'>;
  readonly tell: (agentIds: readonly string[]) => Promise<void>;
  readonly wake: Wake;
}

/** The operations of `contract/deployments.ts`. */
export function deploymentOperations(ports: DeploymentPorts): readonly Served[] {
  return [
    serveList(
      listDeployments,
      ({ query: { certificate, target, agent }, page }) => ports.store.list(page, { certificate, target, agent }),
      show,
    ),
    serve(getDeployment, async ({ params }) => {
      const found = await ports.store.find(params.id);
      if (found === undefined) throw new CaError('notFound', 'no such deployment');
      return show(found);
    }),
    serve(deployCertificate, async ({ params, body, caller }) => {
      const certificate = await ports.certificates.find(params.id);
      if (certificate === undefined) throw new CaError('notFound', 'no such certificate');
      if (body.target !== null && !certificate.targets.includes(body.target))
        throw new CaError('conflict', 'the certificate is not for this target');
      const agents = body.group === null ? undefined : await ports.groups.memberIds(body.group);
      if (body.group !== null && agents === undefined) throw new CaError('malformed', 'the body: group: no such group of agents');
      await ports.wake('jobProcessor', 'notificationProcess', 'jobTimeout');
      const made = await ports.store.request(params.id, { target: body.target ?? undefined, agents }, caller?.id ?? '');
      if (made.length === 0) throw new CaError('conflict', 'there is nothing to deploy: no agent of these targets has a version yet');
      await ports.tell(made.map(({ agentId }) => agentId));
      return { items: made.map(({ deployment: id, job }) => ({ deployment: id, job })) };
    }),
  ];
}

function show(record: DeploymentRecord): DeploymentBody {
  return {
    id: record.id,
    certificate: record.certificateId,
    version: record.versionId,
    target: record.targetId,
    agent: record.agentId,
    reason: record.reason,
    job: record.jobId,
    status: record.status as z.input<typeof deployment>['status'],
    attempts: record.attempts,
    failure_class: (record.failureClass ?? null) as z.input<typeof deployment>['failure_class'],
    detail: record.detail ?? null,
    idempotent: record.idempotent ?? null,
    rolled_back: record.rolledBack ?? null,
    verified_at: record.verifiedAt?.toISOString() ?? null,
    observed_fingerprint: record.observed ?? null,
    duration_ms: record.durationMs ?? null,
    backup_paths: [...record.backupPaths],
    created_at: record.createdAt.toISOString(),
  };
}
