import { createTarget, getTarget, listTargets, replaceTarget, retireTarget, type TargetBody } from '#contract/targets.ts';
import type { TargetRecord, TargetStore } from '#adapters/postgres/targets.ts';
import { parseConfig } from '#connectors/targets/config.ts';
import { TargetFailure } from '#connectors/targets/failure.ts';
import { targetOf, targetTypes } from '#connectors/targets/registry.ts';
import { CaError } from '#domain/error.ts';
import { serve, serveList, type Served } from './router.ts';
import { stale } from './stale.ts';

export interface TargetPorts {
  readonly store: TargetStore;
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
      assertConfig(body.type, body.config);
      const target = { id: ports.newId('tgt'), name: body.name, type: body.type, agentId: body.agent, config: body.config };
      return show(await ports.store.create(target, caller?.id ?? ''));
    }),
    serve(replaceTarget, async ({ params, body, caller, expected }) => {
      const { type } = await existing(params.id);
      assertConfig(type, body.config);
      const to = { name: body.name, config: body.config, enabled: body.enabled };
      const replaced = await ports.store.replace(params.id, expected, to, caller?.id ?? '');
      if (replaced !== undefined) return show(replaced);
      const now = await existing(params.id);
      if (now.retiredAt !== undefined) throw new CaError('conflict', 'the target is retired');
      return stale('target', now);
    }),
    serve(retireTarget, async ({ params, query, caller }) => {
      const retired = await ports.store.retire(params.id, query.reason, caller?.id ?? '');
      if (retired === undefined) throw new CaError('notFound', 'no such target');
      return show(retired);
    }),
  ];
}

/** Judged as the host will judge it, but for what only the host knows. */
function assertConfig(type: string, config: object): void {
  if (JSON.stringify(config).length > maxConfigBytes)
    throw new CaError('malformed', `the body: config: has more than ${maxConfigBytes} bytes`);
  if (!targetTypes().includes(type)) throw new CaError('malformed', `the body: type: one of ${targetTypes().join(', ')}`);
  try {
    parseConfig(targetOf(type).config, config);
  } catch (error) {
    if (error instanceof TargetFailure) throw new CaError('malformed', `the body: config: ${error.message}`, { cause: error });
    throw error;
  }
}

function show(target: TargetRecord): TargetBody {
  return {
    id: target.id,
    name: target.name,
    type: target.type,
    agent: target.agentId,
    config: { ...target.config },
    enabled: target.enabled,
    version: target.version,
    retired_at: target.retiredAt?.toISOString() ?? null,
    retired_reason: target.retiredReason ?? null,
    created_by: target.createdBy,
    created_at: target.createdAt.toISOString(),
    updated_at: target.updatedAt.toISOString(),
  };
}
