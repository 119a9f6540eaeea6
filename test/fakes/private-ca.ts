import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { randomBytes, randomUUID } from 'node:crypto';
import { Refusal, startAwsJson, type AwsJsonService } from './aws-json.ts';

/** One certificate that the CA signed: its own record, which no crash of ours can touch. */
export interface Issuance {
  readonly arn: string;
  readonly token: string;
  readonly serial: string;
  readonly names: readonly string[];
  readonly at: number;
  /** PEM */
  readonly certificate: string;
}

/** For AWS_ENDPOINT_URL_ACM_PCA. */
export interface PrivateCa extends AwsJsonService {
  readonly arn: string;
  /** Everything that it signed, in order. */
  readonly log: readonly Issuance[];
  /** Reason by serial of what was revoked. */
  readonly revoked: ReadonlyMap<string, string>;
}

/** How it behaves from now on; a test changes it as it goes. */
export interface Behaviour {
  /** Awaited after the certificate is signed and logged, before the answer leaves. */
  beforeOrderAnswer?: ((issuance: Issuance) => Promise<void>) | undefined;
  /** Answers that come back as busy, before anything is signed. */
  busy?: (() => boolean) | undefined;
  /** Every request fails as a broken service does. */
  down?: boolean | undefined;
  /** Revocations are refused, as a CA without a CRL configuration or permission does. */
  refusesRevocation?: boolean | undefined;
  /** Awaited after a revocation is noted, before the answer leaves. */
  beforeRevocationAnswer?: (() => Promise<void>) | undefined;
  /** GetCertificate says "in progress" so often for each certificate. */
  inProgress?: number | undefined;
  /** Awaited before anything else; how the CA makes callers wait. */
  admit?: (() => Promise<void>) | undefined;
}

const tokenLifeMs = 300_000;
const revocationReasons = [
  'UNSPECIFIED',
  'KEY_COMPROMISE',
  'CERTIFICATE_AUTHORITY_COMPROMISE',
  'AFFILIATION_CHANGED',
  'SUPERSEDED',
  'CESSATION_OF_OPERATION',
  'PRIVILEGE_WITHDRAWN',
  'A_A_COMPROMISE',
];
const algorithms = ['SHA256WITHECDSA', 'SHA384WITHECDSA', 'SHA512WITHECDSA', 'SHA256WITHRSA', 'SHA384WITHRSA', 'SHA512WITHRSA'];

/**
 * Three operations of AWS Private CA as the service's documents describe them, strict: it refuses what the service refuses, gives the same
 * certificate for the same idempotency token within five minutes, and forgets the token after.
 */
export async function startPrivateCa(behaviour: Behaviour = {}): Promise<PrivateCa> {
  const arn = `arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/${randomUUID()}`;
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const issuer = 'CN=Fake Private CA';
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: issuer,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3650 * 86_400_000),
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const log: Issuance[] = [];
  const asked = new Map<string, number>();
  const revoked = new Map<string, string>();

  const issue = async (input: Record<string, unknown>): Promise<object> => {
    if (input['CertificateAuthorityArn'] !== arn) throw new Refusal('ResourceNotFoundException', 'Could not find certificate authority');
    if (!algorithms.includes(String(input['SigningAlgorithm']))) throw new Refusal('ValidationException', 'SigningAlgorithm');
    const validity = input['Validity'] as { Type?: string; Value?: number } | undefined;
    if (validity?.Type !== 'ABSOLUTE' || !Number.isInteger(validity.Value)) throw new Refusal('ValidationException', 'Validity');
    const notAfter = new Date((validity.Value ?? 0) * 1000);
    if (notAfter.getTime() <= Date.now()) throw new Refusal('InvalidArgsException', 'the validity has ended');
    const token = typeof input['IdempotencyToken'] === 'string' ? input['IdempotencyToken'] : '';
    if (token.length > 36) throw new Refusal('ValidationException', 'IdempotencyToken');
    const again = token === '' ? undefined : log.find((entry) => entry.token === token && Date.now() - entry.at < tokenLifeMs);
    if (again !== undefined) return { CertificateArn: again.arn };
    const csr = await readCsr(input['Csr']);
    const serial = randomBytes(16)
      .toString('hex')
      .replace(/^[89a-f]/, '7');
    const requested = csr.getExtension('2.5.29.17');
    const names = requested === null ? null : new x509.SubjectAlternativeNameExtension(requested.rawData);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: csr.subject,
      issuer,
      notBefore: new Date(Date.now() - 3_600_000),
      notAfter,
      signingKey: keys.privateKey,
      publicKey: csr.publicKey,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [
        new x509.BasicConstraintsExtension(false),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        await x509.AuthorityKeyIdentifierExtension.create(root),
        await x509.SubjectKeyIdentifierExtension.create(csr.publicKey),
        ...(requested === null ? [] : [requested]),
      ],
    });
    const issuance: Issuance = {
      arn: `${arn}/certificate/${randomBytes(16).toString('hex')}`,
      token,
      serial,
      names: names?.names.items.map((name) => name.value) ?? [],
      at: Date.now(),
      certificate: certificate.toString('pem'),
    };
    log.push(issuance);
    await behaviour.beforeOrderAnswer?.(issuance);
    return { CertificateArn: issuance.arn };
  };
  const get = (input: Record<string, unknown>): object => {
    const found = log.find((entry) => entry.arn === input['CertificateArn']);
    if (input['CertificateAuthorityArn'] !== arn || found === undefined)
      throw new Refusal('ResourceNotFoundException', 'Could not find certificate');
    const times = (asked.get(found.arn) ?? 0) + 1;
    asked.set(found.arn, times);
    if (times <= (behaviour.inProgress ?? 0))
      throw new Refusal('RequestInProgressException', 'The request to issue the certificate is in progress');
    return { Certificate: found.certificate, CertificateChain: root.toString('pem') };
  };

  const revoke = async (input: Record<string, unknown>): Promise<object> => {
    if (input['CertificateAuthorityArn'] !== arn) throw new Refusal('ResourceNotFoundException', 'Could not find certificate authority');
    if (!revocationReasons.includes(String(input['RevocationReason']))) throw new Refusal('ValidationException', 'RevocationReason');
    const serial = String(input['CertificateSerial']);
    if (!/^[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2})*$/.test(serial)) throw new Refusal('ValidationException', 'CertificateSerial');
    const found = log.find((entry) => entry.serial.padStart(32, '0') === serial.replaceAll(':', '').toLowerCase().padStart(32, '0'));
    if (found === undefined) throw new Refusal('ResourceNotFoundException', 'Could not find certificate');
    if (behaviour.refusesRevocation === true)
      throw new Refusal('InvalidStateException', 'The certificate authority is not in a valid state');
    if (revoked.has(found.serial)) throw new Refusal('RequestAlreadyProcessedException', 'Certificate has already been revoked');
    revoked.set(found.serial, String(input['RevocationReason']));
    await behaviour.beforeRevocationAnswer?.();
    return {};
  };

  const service = await startAwsJson({ IssueCertificate: issue, GetCertificate: get, RevokeCertificate: revoke }, async () => {
    await behaviour.admit?.();
    if (behaviour.down === true) throw new Refusal('InternalFailure', 'down', 500);
    if (behaviour.busy?.() === true) throw new Refusal('TooManyRequestsException', 'Rate exceeded', 429);
  });
  return { arn, log, revoked, ...service };
}

async function readCsr(value: unknown): Promise<x509.Pkcs10CertificateRequest> {
  const pem = Buffer.from(String(value), 'base64').toString('latin1');
  // The service wants PEM, not DER.
  if (!pem.startsWith('-----BEGIN CERTIFICATE REQUEST-----')) throw new Refusal('MalformedCSRException', 'The CSR is not PEM');
  try {
    const csr = new x509.Pkcs10CertificateRequest(pem);
    if (await csr.verify()) return csr;
  } catch {
    // falls through to the refusal
  }
  throw new Refusal('MalformedCSRException', 'The CSR does not verify');
}
