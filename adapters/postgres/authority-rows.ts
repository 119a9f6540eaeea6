import type { AuthorityRecord } from '#domain/issuance/authority-administration.ts';
import type { AuthorityState } from '#domain/issuance/authority-lifecycle.ts';

/** A row of certificate_authorities as its administrators see it. */
export interface AuthorityRow {
  id: string;
  issuer_id: string | null;
  parent_id: string | null;
  name: string;
  subject: AuthorityRecord['subject'];
  state: AuthorityState;
  algorithm: string;
  certificate: Buffer;
  chain_above: Buffer[];
  key_id: string | null;
  not_before: Date;
  not_after: Date;
  path_length: number | null;
  name_constraints: { permitted: string[]; excluded: string[] };
  crl_shards: number;
  metadata: Record<string, string>;
  signs_leaves: boolean;
  drain_until: Date | null;
  retire_note: string | null;
  retired_at: Date | null;
  revoked_at: Date | null;
  revocation_reason: number | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export const authorityColumns = `id, issuer_id, parent_id, name, subject, state, algorithm, certificate, chain_above, key_id, not_before, not_after, path_length,
  name_constraints, crl_shards, metadata, signs_leaves, drain_until, retire_note, retired_at, revoked_at, revocation_reason, version, created_at, updated_at`;

export function authorityOf(row: AuthorityRow): AuthorityRecord {
  return {
    id: row.id,
    issuerId: row.issuer_id ?? undefined,
    parentId: row.parent_id ?? undefined,
    name: row.name,
    subject: row.subject,
    state: row.state,
    algorithm: row.algorithm,
    certificate: row.certificate,
    csr: undefined,
    chainAbove: row.chain_above,
    keyId: row.key_id ?? undefined,
    notBefore: row.not_before,
    notAfter: row.not_after,
    pathLength: row.path_length ?? undefined,
    nameConstraints: row.name_constraints,
    crlShards: row.crl_shards,
    metadata: row.metadata,
    signsLeaves: row.signs_leaves,
    drainUntil: row.drain_until ?? undefined,
    retireNote: row.retire_note ?? undefined,
    retiredAt: row.retired_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
    revocationReason: row.revocation_reason ?? undefined,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** A row of authority_requests. */
export interface RequestRow {
  id: string;
  issuer_id: string;
  name: string;
  subject: AuthorityRecord['subject'];
  algorithm: string;
  csr: Buffer;
  crl_shards: number;
  metadata: Record<string, string>;
  created_at: Date;
}

export const requestColumns = 'id, issuer_id, name, subject, algorithm, csr, crl_shards, metadata, created_at';

export function requestOf(row: RequestRow): AuthorityRecord {
  return {
    id: row.id,
    issuerId: row.issuer_id,
    parentId: undefined,
    name: row.name,
    subject: row.subject,
    state: 'created',
    algorithm: row.algorithm,
    certificate: undefined,
    csr: row.csr,
    chainAbove: [],
    keyId: undefined,
    notBefore: undefined,
    notAfter: undefined,
    pathLength: undefined,
    nameConstraints: { permitted: [], excluded: [] },
    crlShards: row.crl_shards,
    metadata: row.metadata,
    signsLeaves: false,
    drainUntil: undefined,
    retireNote: undefined,
    retiredAt: undefined,
    revokedAt: undefined,
    revocationReason: undefined,
    version: 1,
    createdAt: row.created_at,
    updatedAt: row.created_at,
  };
}
