import { createTarget, getTarget, listTargets, replaceTarget, retireTarget, testTarget, type TargetBody } from '#contract/targets.ts';
import type { Inspections } from '#adapters/postgres/inspections.ts';
import type { TargetRecord, TargetStore, TargetWatch } from '#adapters/postgres/targets.ts';
import { connectorAgentId, connectorTargetTypes } from '#domain/agent/connector.ts';
import type { DriftPolicy } from '#domain/agent/inspection.ts';
import { CaError } from '#domain/error.ts';
import type { Wake } from '../shared/wake.ts';
import { serve, serveList, type Served } from './router.ts';
import { stale } from './stale.ts';

export interface TargetPorts {
  readonly store: TargetStore;
  readonly inspections: Pick<Inspections, 'request'>;
  readonly tell: (agentIds: readonly string[]) => Promise<void>;
  readonly wake: Wake;
  /** Of AWS, in which the connector may import certificates; none: it deploys nothing. */
  readonly acmRegions: readonly string[];
  /** ARNs of roles that it may assume for that. */
  readonly acmRoles: readonly string[];
  readonly newId: (prefix: string) => string;
}

const maxConfigBytes = 16_384;

/** The operations of `contract/targets.ts`. */
export function targetOperations(ports: TargetPorts): readonly Served[] {
  const existing = async (id: string): Promise<TargetRecord> => {
    const target = await ports.store.find(id);
    if (target === undefined) throw new CaError('notFound', 'no such target');
    return target;
  };
  return [
    serveList(listTargets, ({ query: { agent, type }, page }) => ports.store.list(page, { agent, type }), show),
    serve(getTarget, async ({ params }) => show(await existing(params.id))),
    serve(createTarget, async ({ body, caller }) => {
      await assertConfig(body.type, body.config);
      const { name, type, agent, config } = body;
      assertConnector(agent, type, config, ports);
      const target = { id: ports.newId('tgt'), name, type, agentId: agent, config, ...watchOf(body) };
      return show(await ports.store.create(target, caller?.id ?? ''));
    }),
    serve(replaceTarget, async ({ params, body, caller, expected }) => {
      const { type, agentId } = await existing(params.id);
      await assertConfig(type, body.config);
      assertConnector(agentId, type, body.config, ports);
      const to = { name: body.name, config: body.config, enabled: body.enabled, ...watchOf(body) };
      await ports.wake('jobProcessor', 'notificationProcess', 'jobTimeout');
      const replaced = await ports.store.replace(params.id, expected, to, caller?.id ?? '');
      if (replaced !== undefined) {
        await ports.tell([replaced.agentId]);
        return show(replaced);
      }
      const now = await existing(params.id);
      if (now.retiredAt !== undefined) throw new CaError('conflict', 'the target is retired');
      return stale('target', now);
    }),
    serve(retireTarget, async ({ params, query, caller }) => {
      // Keys that were sealed for it alone are destroyed.
      await ports.wake('jobTimeout', 'renewalCheck');
      const retired = await ports.store.retire(params.id, query.reason, caller?.id ?? '');
      if (retired === undefined) throw new CaError('notFound', 'no such target');
      return show(retired);
    }),
    serve(testTarget, async ({ params, caller }) => {
      await ports.wake('jobProcessor', 'notificationProcess', 'jobTimeout');
      const asked = await ports.inspections.request(params.id, caller?.id ?? '');
      if (asked === undefined) {
        await existing(params.id);
        throw new CaError('conflict', 'the target is retired');
      }
      if (asked === 'offline') throw new CaError('conflict', 'its agent is offline: nobody can look');
      if (asked === 'unable') throw new CaError('conflict', 'its agent is too old to look; a newer one says the capability inspection');
      await ports.tell([asked.agentId]);
      return { target: params.id, job: asked.jobId };
    }),
  ];
}

function watchOf(body: { readonly on_drift: DriftPolicy; readonly inspect_every_seconds: number }): TargetWatch {
  return { onDrift: body.on_drift, inspectEverySeconds: body.inspect_every_seconds };
}

/** Judged as the host will judge it, but for what only the host knows. The targets' code is loaded for it, which few requests want. */
async function assertConfig(type: string, config: object): Promise<void> {
  if (JSON.stringify(config).length > maxConfigBytes)
    throw new CaError('malformed', `the body: config: has more than ${maxConfigBytes} bytes`);
  const { configObjection } = await import('#connectors/targets/judge-config.ts');
  const objection = configObjection(type, config);
  if (objection !== undefined) throw new CaError('malformed', `the body: ${objection}`);
}

/** The connector reaches what the deployment's settings let it. */
function assertConnector(
  agent: string,
  type: string,
  config: Readonly<Record<string, unknown>>,
  { acmRegions: regions, acmRoles: roles }: Pick<TargetPorts, 'acmRegions' | 'acmRoles'>,
): void {
  if (agent !== connectorAgentId) return;
  if (regions.length === 0)
    throw new CaError('malformed', 'the body: agent: the connector deploys nothing here: the setting certificateManagerRegions is empty');
  if (!connectorTargetTypes.includes(type))
    throw new CaError('malformed', `the body: agent: the connector deploys to ${connectorTargetTypes.join(', ')} alone`);
  if (!regions.includes(String(config['region'])))
    throw new CaError('malformed', `the body: config: region: the connector may import in ${regions.join(', ')}`);
  const { role_arn: role } = config;
  if (typeof role === 'string' && !roles.includes(role))
    throw new CaError(
      'malformed',
      `the body: config: role_arn: the connector may assume ${roles.length === 0 ? 'no role: the setting certificateManagerRoles is empty' : roles.join(', ')}`,
    );
}

function show(target: TargetRecord): TargetBody {
  const { inspection: seen } = target;
  return {
    id: target.id,
    name: target.name,
    type: target.type,
    agent: target.agentId,
    config: { ...target.config },
    reference: target.reference ?? null,
    enabled: target.enabled,
    counters: { ...target.counters },
    on_drift: target.onDrift,
    inspect_every_seconds: target.inspectEverySeconds,
    next_inspection_at: target.inspectAt?.toISOString() ?? null,
    inspection: {
      outcome: seen.outcome ?? null,
      at: seen.at?.toISOString() ?? null,
      expected_fingerprint: seen.expected ?? null,
      observed_fingerprint: seen.observed ?? null,
      observed_source: seen.source ?? null,
      observed_serial: seen.serial ?? null,
      observed_not_after: seen.notAfter?.toISOString() ?? null,
      drifted_since: seen.driftedSince?.toISOString() ?? null,
      ready: seen.ready ?? null,
      failure_class: seen.failureClass ?? null,
      detail: seen.detail ?? null,
    },
    version: target.version,
    retired_at: target.retiredAt?.toISOString() ?? null,
    retired_reason: target.retiredReason ?? null,
    created_by: target.createdBy,
    created_at: target.createdAt.toISOString(),
    updated_at: target.updatedAt.toISOString(),
  };
}
