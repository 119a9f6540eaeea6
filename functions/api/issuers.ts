import { createIssuer, listIssuers, setIssuerEnabled, type IssuerBody } from '#contract/issuers.ts';
import type { IssuerRecord, IssuerStore } from '#adapters/postgres/issuers.ts';
import { reaches } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import type { Wake } from '../shared/wake.ts';
import { serve, serveList, type Served } from './router.ts';
import { stale } from './stale.ts';

/** The operations of `contract/issuers.ts`. */
export function issuerOperations(ports: {
  readonly store: IssuerStore;
  readonly newId: (prefix: string) => string;
  readonly wake: Wake;
}): readonly Served[] {
  return [
    serveList(listIssuers, ({ query: { type }, page, reach }) => ports.store.list(page, { type, reach }), show),
    serve(createIssuer, async ({ body, caller }) => {
      const { templateArn, ...rest } = body.config;
      const config = { ...rest, ...(templateArn !== undefined && { templateArn }) };
      return show(await ports.store.create({ id: ports.newId('iss'), name: body.name, type: body.type, config }, caller?.id ?? ''));
    }),
    serve(setIssuerEnabled, async ({ params, body, caller, reach, expected }) => {
      if (!reaches(reach, { issuer: params.id })) throw new CaError('notFound', 'no such issuer');
      await ports.wake('renewalCheck');
      const changed = await ports.store.setEnabled(params.id, body.enabled, expected, caller?.id ?? '');
      return show(changed ?? stale('issuer', await ports.store.find(params.id)));
    }),
  ];
}

function show({ createdAt, ...record }: IssuerRecord): IssuerBody {
  return { ...record, config: { ...record.config }, created_at: createdAt.toISOString() };
}
