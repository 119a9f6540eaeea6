import type pg from 'pg';
import type { Envelope } from '#adapters/kms/envelope.ts';
import { createSigner } from '#adapters/kms/sealed-signer.ts';
import type { Chance } from '#domain/clock.ts';
import { CaError } from '#domain/error.ts';
import { statusUrls } from '#domain/issuance/issue.ts';
import { buildTbsIntermediate, buildTbsRoot } from '#domain/x509/authority.ts';
import { issuerInfo, signCertificate } from '#domain/x509/leaf.ts';
import { lintTbsCertificate } from '#domain/x509/lint.ts';
import { newSerial } from '#domain/x509/serial.ts';
import { caKeyContext } from '../shared/ca-key-context.ts';

const rootId = 'root-1';
const issuingId = 'issuing-1';
const dayMs = 86_400_000;
const rootDays = 3650;
const issuingDays = 1825;

interface MadeAuthority {
  readonly id: string;
  readonly name: string;
  readonly parentId: string | undefined;
  readonly algorithm: string;
  /** Canonical hex. */
  readonly serial: string;
  readonly pathLength: number | undefined;
  /** DER */
  readonly certificate: Uint8Array;
  readonly sealedKey: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * Makes the local CA and the two profiles of a new platform: `default`, where every name is proven by a challenge, and `internal`, where an
 * invitation (EAB) is the proof. Keys are made and sealed before the transaction; a second seeder's are forgotten.
 */
export async function seed(
  client: pg.Client,
  ports: { readonly envelope: Envelope; readonly chance: Chance; readonly pkiBaseUrl: string },
): Promise<boolean> {
  const { rows } = await client.query('SELECT FROM certificate_authorities LIMIT 1');
  if (rows.length > 0) return false;
  const made = await makeHierarchy(ports);
  await client.query('BEGIN');
  try {
    for (const authority of made) {
      await client.query(
        `INSERT INTO certificate_authorities (id, name, parent_id, algorithm, certificate, sealed_key, not_before, not_after, issuer_id, serial, subject, path_length)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'iss-local', $9, $10, $11)`,
        [
          authority.id,
          authority.name,
          authority.parentId ?? null,
          authority.algorithm,
          authority.certificate,
          authority.sealedKey,
          authority.notBefore,
          authority.notAfter,
          authority.serial,
          JSON.stringify({ organization: 'certctl', commonName: authority.name }),
          authority.pathLength ?? null,
        ],
      );
      await client.query(
        `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
         VALUES ('system:migrate', 'System', 'certificate_authority_created', 'certificate_authority', $1, $2, 'cert_lifecycle')`,
        [authority.id, JSON.stringify({ name: authority.name, notAfter: authority.notAfter })],
      );
    }
    await client.query(
      `INSERT INTO profiles (id, name, description, ca_id) VALUES ('default', 'Default', 'Every name is proven by a challenge', $1)`,
      [issuingId],
    );
    await client.query(
      `INSERT INTO profiles (id, name, description, acme_auth_mode, eab_required, allow_single_label, ca_id)
       VALUES ('internal', 'Internal', 'An external account binding key from the operator is the proof', 'trust_authenticated', true, true, $1)`,
      [issuingId],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
  return true;
}

async function makeHierarchy(ports: {
  readonly envelope: Envelope;
  readonly chance: Chance;
  readonly pkiBaseUrl: string;
}): Promise<readonly MadeAuthority[]> {
  const now = Math.floor(ports.chance.now() / 1000) * 1000;
  const tag = Buffer.from(ports.chance.random(3)).toString('hex');
  const notBefore = new Date(now - 3_600_000);

  const rootKey = await createSigner(ports.envelope, caKeyContext(rootId));
  const rootNotAfter = new Date(now + rootDays * dayMs);
  const rootSerial = newSerial(ports.chance.random(16));
  const rootName = `certctl Root ${tag}`;
  const rootTbs = buildTbsRoot(rootKey.signer.algorithm, {
    serial: rootSerial,
    commonName: rootName,
    organization: 'certctl',
    spki: rootKey.signer.publicKeySpki,
    notBefore,
    notAfter: rootNotAfter,
  });
  assertClean(lintTbsCertificate(rootTbs, { kind: 'root' }));
  const root = await signCertificate(rootKey.signer, rootTbs);

  const issuingKey = await createSigner(ports.envelope, caKeyContext(issuingId));
  const issuingNotAfter = new Date(now + issuingDays * dayMs);
  const issuingSerial = newSerial(ports.chance.random(16));
  const issuingName = `certctl Issuing ${tag}`;
  const urls = statusUrls(ports.pkiBaseUrl, rootId);
  const issuer = issuerInfo(root);
  const issuingTbs = buildTbsIntermediate(issuer, rootKey.signer.algorithm, {
    serial: issuingSerial,
    commonName: issuingName,
    organization: 'certctl',
    spki: issuingKey.signer.publicKeySpki,
    notBefore,
    notAfter: issuingNotAfter,
    pathLength: 0,
    crlDistributionPoints: [urls.crl],
    caIssuerUrls: [urls.caIssuers],
  });
  assertClean(lintTbsCertificate(issuingTbs, { kind: 'intermediate', issuer }));
  const issuing = await signCertificate(rootKey.signer, issuingTbs);

  return [
    {
      id: rootId,
      name: rootName,
      parentId: undefined,
      algorithm: 'ECDSA-P256',
      serial: rootSerial,
      pathLength: undefined,
      certificate: root,
      sealedKey: rootKey.sealed,
      notBefore,
      notAfter: rootNotAfter,
    },
    {
      id: issuingId,
      name: issuingName,
      parentId: rootId,
      algorithm: 'ECDSA-P256',
      serial: issuingSerial,
      pathLength: 0,
      certificate: issuing,
      sealedKey: issuingKey.sealed,
      notBefore,
      notAfter: issuingNotAfter,
    },
  ];
}

function assertClean(findings: readonly { readonly rule: string }[]): void {
  const [finding] = findings;
  if (finding !== undefined) throw new CaError('internal', `a CA certificate would break rule ${finding.rule}`, { cause: findings });
}
