import * as z from 'zod';
import { inspectedKeyTypes } from '../agent/inspection.ts';
import { agentKeyAlgorithms } from '../agent/key-algorithm.ts';
import { failureClasses } from '../agent/work.ts';

/** Whom to ask for a certificate, and in which words: by type of issuer. */
const issuer = z.strictObject({ type: z.literal('aws-private-ca'), config: z.record(z.string(), z.unknown()) });

const keyId = z.string().regex(/^key-[0-9a-z-]{1,60}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** PKCS#8, DER, under the envelope key; the id names the seal. */
const sealedKey = z.strictObject({ id: keyId, sealed: z.base64() });
const cloudTarget = z.strictObject({
  id: z.string().max(64),
  type: z.string().max(64),
  config: z.record(z.string(), z.unknown()),
  /** What it calls its certificate, if an earlier deployment said so. */
  reference: z.string().max(2048).nullable(),
});

/** What the worker asks of the connector, which has no database: everything that it needs is in the call, secrets sealed. */
export const connectorCall = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('webhook'),
    /** Names the seal of the secret. */
    channelId: z.string().max(64),
    url: z.string().max(2000),
    sealedSecret: z.base64(),
    /** The same for every attempt, so that a receiver can tell a repetition. */
    messageId: z.string().max(64),
    /** JSON text. */
    body: z.string().max(65_536),
  }),
  z.strictObject({
    kind: z.literal('order'),
    issuer,
    /** PEM, PKCS#10. */
    csr: z.string().max(24_576),
    notAfter: z.iso.datetime(),
    /** The same for every attempt at one job. */
    token: z.string().regex(/^[A-Za-z0-9_-]{1,36}$/),
  }),
  z.strictObject({ kind: z.literal('collect'), issuer, orderRef: z.string().max(500) }),
  z.strictObject({
    kind: z.literal('revoke'),
    issuer,
    /** Canonical hex. */
    serial: z.string().regex(/^[0-9a-f]{1,40}$/),
    /** CRLReason (RFC 5280 §5.3.1). */
    reason: z.number().int().min(0).max(10),
  }),
  z.strictObject({
    kind: z.literal('make-key'),
    keyId,
    algorithm: z.enum(agentKeyAlgorithms),
    commonName: z.string().max(253).nullable(),
    names: z.array(z.strictObject({ type: z.enum(['dns', 'ip', 'email', 'uri']), value: z.string().max(2048) })).max(1000),
    mustStaple: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal('deploy'),
    target: cloudTarget,
    certificateId: z.string().max(64),
    /** PEM. */
    leaf: z.string().max(65_536),
    chain: z.string().max(131_072),
    /** Null: it was destroyed after an earlier deployment. */
    key: sealedKey.nullable(),
    /** Of versions before this one, with the SHA-256 of their SubjectPublicKeyInfo. */
    earlierKeys: z.array(sealedKey.extend({ spkiSha256: sha256 })).max(5),
    /** No attempt follows: what does not verify is rolled back. */
    last: z.boolean(),
  }),
  z.strictObject({ kind: z.literal('inspect'), target: cloudTarget, keyType: z.enum(inspectedKeyTypes).nullable() }),
]);
export type ConnectorCall = z.infer<typeof connectorCall>;

/** What the connector found; parsed as hostile by whoever asked. */
export const connectorAnswer = z.union([
  z.strictObject({ ok: z.literal(true) }),
  z.strictObject({ ok: z.literal(true), orderRef: z.string().min(1).max(500) }),
  z.strictObject({ ok: z.literal(true), pending: z.literal(true) }),
  /** PEM */
  z.strictObject({ ok: z.literal(true), certificate: z.string().max(65_536), chain: z.string().max(131_072) }),
  /** DER of a CSR, and the seal of its key. */
  z.strictObject({ ok: z.literal(true), csr: z.base64().max(32_768), sealedKey: z.base64().max(16_384) }),
  z.strictObject({
    ok: z.literal(true),
    deployed: z.strictObject({
      ok: z.boolean(),
      idempotent: z.boolean(),
      rolledBack: z.boolean(),
      failureClass: z.enum(failureClasses).nullable(),
      detail: z.string().max(2000).nullable(),
      /** What was seen over TLS. */
      observed: sha256.nullable(),
      reference: z.string().max(2048).nullable(),
      durationMs: z.number().int().min(0),
    }),
  }),
  z.strictObject({
    ok: z.literal(true),
    inspected: z.strictObject({
      ready: z.boolean(),
      failureClass: z.enum(failureClasses).nullable(),
      detail: z.string().max(2000).nullable(),
      observation: z.discriminatedUnion('source', [
        z.strictObject({
          source: z.enum(['served', 'stored']),
          fingerprint: sha256,
          serial: z
            .string()
            .regex(/^[0-9a-f]{1,40}$/)
            .nullable(),
          notAfter: z.iso.datetime().nullable(),
        }),
        z.strictObject({ source: z.enum(['empty', 'none']) }),
      ]),
    }),
  }),
  z.strictObject({
    ok: z.literal(false),
    /** Asking again will not help. */
    final: z.boolean(),
    detail: z.string().max(500),
    /** Seconds that the other side asked us to wait. */
    retryAfter: z.number().int().min(1).max(86_400).optional(),
  }),
]);
export type ConnectorAnswer = z.infer<typeof connectorAnswer>;
