import type * as z from 'zod';
import {
  compromiseIntermediate,
  createIntermediate,
  getIntermediate,
  getIntermediateChain,
  getIntermediateCsr,
  importIntermediateCertificate,
  listIntermediateChildren,
  listIntermediates,
  reactivateIntermediate,
  rekeyIntermediate,
  retireIntermediate,
  revokeIntermediate,
  setIssuingCa,
  updateIntermediate,
  type IntermediateBody,
  type ListedIntermediate,
} from '#contract/intermediates.ts';
import type { AuthoritySuccession } from '#adapters/postgres/authority-succession.ts';
import { CaError } from '#domain/error.ts';
import type { AuthorityAdministration, AuthorityRecord } from '#domain/issuance/authority-administration.ts';
import { issuingState } from '#domain/issuance/issuing-path.ts';
import { certsOnly } from '#domain/x509/certs-only.ts';
import { pemChain, toPem } from '#domain/x509/pem.ts';
import type { CompromisedAuthority, CompromiseStore } from '#domain/revocation/compromise.ts';
import { reasonCode } from '#domain/revocation/reason.ts';
import type { Wake } from '../shared/wake.ts';
import type { HierarchyPorts } from './hierarchy.ts';
import { certifyExternal, createChild, createRoot, requestExternal, type Made } from './hierarchy.ts';
import { rekeyAuthority } from './rekey.ts';
import { serve, type Served } from './router.ts';

export interface IntermediatePorts extends HierarchyPorts {
  readonly compromises: CompromiseStore;
  readonly wake: Wake;
  readonly succession: AuthoritySuccession;
  /** Tells where profiles are read that they have another CA. */
  readonly moved: (profileIds: readonly string[]) => Promise<void>;
  readonly hint: (jobId: string) => Promise<void>;
}

const maxDepth = 10;

/** The operations of `contract/intermediates.ts`. */
export function intermediateOperations(ports: IntermediatePorts): readonly Served[] {
  const { store } = ports;
  const known = async (id: string): Promise<AuthorityRecord> => {
    const found = await store.find(id);
    if (found === undefined) throw new CaError('notFound', 'no such certificate authority');
    return found;
  };
  const localIssuer = async (id: string): Promise<void> => {
    const type = await store.issuerType(id);
    if (type === undefined) throw new CaError('notFound', 'no such issuer');
    if (type !== 'local') throw new CaError('conflict', 'the CAs of this issuer are elsewhere');
  };
  return [
    serve(createIntermediate, async ({ params, body, caller }) => {
      await localIssuer(params.id);
      const create = body.external ? requestExternal : body.parent_ca_id === undefined ? createRoot : createChild;
      const made: Made = await create(ports, params.id, body, caller?.id ?? '');
      return { ...show(made.record), warnings: [...made.warnings] };
    }),
    serve(listIntermediates, async ({ params, query }) => {
      await localIssuer(params.id);
      const all = (await store.list(params.id)).map(show);
      const tree = asTree(all);
      const depths = new Map(tree.map(({ id, depth }) => [id, depth]));
      return { data: query.view === 'tree' ? tree : all.map((body) => ({ ...body, depth: depths.get(body.id) ?? 0 })) };
    }),
    serve(getIntermediate, async ({ params }) => show(await known(params.ca_id))),
    serve(updateIntermediate, async ({ params, body, caller, expected }) => {
      const { id } = await certified(params.ca_id);
      // New shards are published before anything can be on them.
      if (body.crl_shards !== undefined) await ports.wake('crlGeneration');
      const { name, metadata, crl_shards: crlShards } = body;
      return show(await store.update(id, { name, metadata, crlShards }, expected, caller?.id ?? ''));
    }),
    serve(listIntermediateChildren, async ({ params }) => {
      await known(params.ca_id);
      return { data: (await store.children(params.ca_id)).map(show) };
    }),
    serve(getIntermediateChain, async ({ params, query }) => {
      const path = await wholePath(store, await known(params.ca_id), ports.chance.now());
      const chain = [...path].reverse();
      const wanted = query.include_root === 'true' || chain.length === 1 ? chain : chain.slice(0, -1);
      return { chain_pem: query.format === 'pkcs7' ? toPem('PKCS7', certsOnly(wanted)) : pemChain(wanted) };
    }),
    serve(getIntermediateCsr, async ({ params }) => {
      const { csr } = await known(params.ca_id);
      if (csr === undefined) throw new CaError('conflict', 'the CA has its certificate');
      return { csr_pem: toPem('CERTIFICATE REQUEST', csr) };
    }),
    serve(importIntermediateCertificate, async ({ params, body, caller }) =>
      show(await certifyExternal(ports, await known(params.ca_id), body, caller?.id ?? '')),
    ),
    serve(retireIntermediate, async ({ params, body, caller }) => {
      const retirement = {
        confirm: body.confirm,
        note: body.note,
        drainUntil: body.drain_until === undefined ? undefined : new Date(body.drain_until),
        stopLeaves: body.stop_leaf,
      };
      await ports.wake('renewalCheck');
      const { id, state } = await store.retire((await certified(params.ca_id)).id, retirement, caller?.id ?? '');
      return { id, state, decided_by: caller?.id ?? '', confirmed: state === 'retired' };
    }),
    serve(reactivateIntermediate, async ({ params, caller }) => {
      await ports.wake('renewalCheck');
      return show(await store.reactivate((await certified(params.ca_id)).id, caller?.id ?? ''));
    }),
    serve(rekeyIntermediate, async ({ params, body, caller }) => {
      await ports.wake('renewalCheck');
      const made = await rekeyAuthority(ports, await certified(params.ca_id), body, caller?.id ?? '');
      await ports.moved(made.profiles);
      const { successor, predecessor, profiles, issuers, warnings } = made;
      return {
        ...show(successor),
        warnings: [...warnings],
        predecessor: predecessor.id,
        profiles: [...profiles],
        issuers: [...issuers],
      };
    }),
    serve(revokeIntermediate, async ({ params, body, caller }) => {
      const { id } = await certified(params.ca_id);
      await ports.wake('jobProcessor', 'renewalCheck');
      const jobId = ports.newId('job');
      const revoked = await store.revoke(id, reasonCode[body.reason], jobId, caller?.id ?? '');
      await ports.hint(jobId);
      return show(revoked);
    }),
    serve(compromiseIntermediate, async ({ params, body, caller }) => {
      await certified(params.ca_id);
      const met = await ports.compromises.survey(params.ca_id, body.descendants);
      const jobs: string[] = [];
      if (!body.dry_run) {
        await ports.wake('jobProcessor', 'renewalCheck');
        jobs.push(...(await ports.compromises.declare(params.ca_id, body.descendants, caller?.id ?? '')));
        await Promise.all(jobs.map(ports.hint));
      }
      return { dry_run: body.dry_run, ...surveyed(met, body.descendants), warnings: warningsOf(met), jobs };
    }),
    serve(setIssuingCa, async ({ params, body, caller }) => {
      await localIssuer(params.id);
      await ports.wake('renewalCheck');
      await store.chooseIssuing(params.id, body.issuing_ca_id ?? undefined, caller?.id ?? '');
      return { id: params.id, issuing_ca_id: body.issuing_ca_id };
    }),
  ];

  async function certified(id: string): Promise<AuthorityRecord> {
    const found = await known(id);
    if (found.state === 'created') throw new CaError('conflict', 'the CA waits for its certificate');
    return found;
  }
}

/** From the root down; every link must stand. */
async function wholePath(store: AuthorityAdministration, authority: AuthorityRecord, now: number): Promise<readonly Uint8Array[]> {
  const path: Uint8Array[] = [];
  let current: AuthorityRecord | undefined = authority;
  for (let depth = 0; depth <= maxDepth && current !== undefined; depth++) {
    const { certificate, state, id, notAfter, parentId, chainAbove }: AuthorityRecord = current;
    if (certificate === undefined || notAfter === undefined) throw new CaError('conflict', `the CA ${id} waits for its certificate`);
    if (state === 'revoked' || notAfter.getTime() <= now)
      throw new CaError('conflict', `the chain is broken: the CA ${id} is ${state === 'revoked' ? state : 'expired'}`);
    path.unshift(certificate);
    path.unshift(...[...chainAbove].reverse());
    current = parentId === undefined ? undefined : await store.find(parentId);
  }
  issuingState(path, now);
  return path;
}

/** Each CA followed by those below it, with its depth. */
function asTree(all: readonly IntermediateBody[]): ListedIntermediate[] {
  const below = (parents: readonly IntermediateBody[], depth: number): ListedIntermediate[] =>
    depth > maxDepth
      ? []
      : parents.flatMap((body) => [
          { ...body, depth },
          ...below(
            all.filter(({ parent_ca_id }) => parent_ca_id === body.id),
            depth + 1,
          ),
        ]);
  const ids = new Set(all.map(({ id }) => id));
  // A CA under another issuer's heads a tree of its own here.
  return below(
    all.filter(({ parent_ca_id }) => parent_ca_id === null || !ids.has(parent_ca_id)),
    0,
  );
}

function surveyed(
  met: readonly CompromisedAuthority[],
  descendants: boolean,
): Pick<z.output<typeof compromiseIntermediate.answer>, 'authorities' | 'leaves'> {
  const authorities = met.map(({ id, name, state, parentId, leaves }) => ({
    id,
    name,
    state,
    listed_by: parentId ?? null,
    leaves: descendants ? leaves : 0,
  }));
  return { authorities, leaves: authorities.reduce((sum, { leaves }) => sum + leaves, 0) };
}

function warningsOf(met: readonly CompromisedAuthority[]): string[] {
  return met.flatMap(({ id, parentId, chosenBy }) => [
    ...(parentId === undefined
      ? [`no list of ours names ${id}: whoever signed it must revoke it, and a root must leave every trust store`]
      : []),
    ...chosenBy.map((by) => `${by} has ${id} sign: choose another CA`),
  ]);
}

function show(record: AuthorityRecord): IntermediateBody {
  const { commonName, organization, organizationalUnit, country, locality, province } = record.subject;
  return {
    id: record.id,
    owning_issuer_id: record.issuerId ?? null,
    parent_ca_id: record.parentId ?? null,
    name: record.name,
    subject: {
      ...(commonName !== undefined && { common_name: commonName }),
      ...(organization !== undefined && { organization }),
      ...(organizationalUnit !== undefined && { organizational_unit: organizationalUnit }),
      ...(country !== undefined && { country }),
      ...(locality !== undefined && { locality }),
      ...(province !== undefined && { province }),
    },
    state: record.state,
    algorithm: record.algorithm,
    cert_pem: record.certificate === undefined ? null : toPem('CERTIFICATE', record.certificate),
    key_driver_id: record.keyId ?? null,
    not_before: record.notBefore?.toISOString() ?? null,
    not_after: record.notAfter?.toISOString() ?? null,
    path_len_constraint: record.pathLength ?? null,
    name_constraints: { permitted: [...record.nameConstraints.permitted], excluded: [...record.nameConstraints.excluded] },
    signs_leaves: record.signsLeaves,
    drain_until: record.drainUntil?.toISOString() ?? null,
    retired_at: record.retiredAt?.toISOString() ?? null,
    retire_note: record.retireNote ?? null,
    revoked_at: record.revokedAt?.toISOString() ?? null,
    revocation_reason: record.revocationReason ?? null,
    crl_shards: record.crlShards,
    metadata: { ...record.metadata },
    version: record.version,
    created_at: record.createdAt.toISOString(),
    updated_at: record.updatedAt.toISOString(),
  };
}
