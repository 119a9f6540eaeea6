import { createHash } from 'node:crypto';
import { createEnrolmentToken, listEnrolmentTokens, revokeEnrolmentToken, type EnrolmentTokenBody } from '#contract/enrolment-tokens.ts';
import type { EnrolmentTokenRecord, EnrolmentTokens } from '#adapters/postgres/enrolment-tokens.ts';
import type { Chance } from '#domain/clock.ts';
import { CaError } from '#domain/error.ts';
import { serve, serveList, type Served } from './router.ts';

export interface EnrolmentTokenPorts {
  readonly store: EnrolmentTokens;
  readonly chance: Chance;
  readonly newId: (prefix: string) => string;
}

/** The operations of `contract/enrolment-tokens.ts`. */
export function enrolmentTokenOperations(ports: EnrolmentTokenPorts): readonly Served[] {
  return [
    serveList(listEnrolmentTokens, ({ query: { agent }, page }) => ports.store.list(page, { agent }), show),
    serve(createEnrolmentToken, async ({ body, caller }) => {
      if (body.agent !== null && body.group !== null)
        throw new CaError('malformed', 'the body: group: an agent that comes back keeps the groups that it has');
      const prefix = `et_${Buffer.from(ports.chance.random(4)).toString('hex')}`;
      const token = `${prefix}_${Buffer.from(ports.chance.random(32)).toString('base64url')}`;
      const made = await ports.store.create(
        {
          id: ports.newId('et'),
          sha256: createHash('sha256').update(token).digest(),
          prefix,
          description: body.description,
          namePattern: body.name_pattern ?? undefined,
          agentId: body.agent ?? undefined,
          groupId: body.group ?? undefined,
          maxUses: body.max_uses,
          ttlSeconds: body.ttl_seconds,
        },
        caller?.id ?? '',
      );
      return { ...show(made), token };
    }),
    serve(revokeEnrolmentToken, async ({ params, caller }) => {
      const revoked = await ports.store.revoke(params.id, caller?.id ?? '');
      if (revoked === undefined) throw new CaError('notFound', 'no such enrolment token');
      return show(revoked);
    }),
  ];
}

function show(token: EnrolmentTokenRecord): EnrolmentTokenBody {
  return {
    id: token.id,
    token_prefix: token.tokenPrefix,
    description: token.description,
    name_pattern: token.namePattern ?? null,
    agent: token.agentId ?? null,
    group: token.groupId ?? null,
    max_uses: token.maxUses,
    uses: token.uses,
    expires_at: token.expiresAt.toISOString(),
    revoked_at: token.revokedAt?.toISOString() ?? null,
    created_by: token.createdBy,
    created_at: token.createdAt.toISOString(),
  };
}
