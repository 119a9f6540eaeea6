import { createPrivateKey, createPublicKey, randomUUID, X509Certificate } from 'node:crypto';
import { Refusal, startAwsJson, type AwsJsonService, type Signer } from './aws-json.ts';
import { ownAccount } from './security-tokens.ts';

/** A certificate that was imported. */
export interface Imported {
  readonly arn: string;
  /** PEM */
  leaf: string;
  chain: string;
  /** PKCS#8, PEM: the service never gives it out, and neither does this one but to a test. */
  key: string;
  readonly tags: ReadonlyMap<string, string>;
  inUseBy: string[];
  /** How often something was imported into it. */
  imports: number;
}

export interface CertificateManagerService extends AwsJsonService {
  readonly certificates: ReadonlyMap<string, Imported>;
  readonly region: string;
}

/** How it behaves from now on; a test changes it as it goes. */
export interface AcmBehaviour {
  /** Awaited after an import has happened, before the answer leaves. */
  beforeImportAnswer?: ((imported: Imported) => Promise<void>) | undefined;
  /** Imports that the account has left this year. */
  importsLeft?: number | undefined;
  /** Awaited before each operation. */
  before?: ((operation: string) => Promise<void>) | undefined;
  /** Whose request it is; without it everybody's are {@link ownAccount}'s. */
  accountOf?: ((signer: Signer) => string) | undefined;
  /** Every request is refused so. */
  refusal?: Refusal | undefined;
}

const mostTags = 50;

/**
 * Five operations of AWS Certificate Manager as its documents describe them, strict: an import whose key is another's, whose chain has the leaf or does not lead on
 * from it, which has tags and an ARN or another kind of key than that ARN, or which is one too many, is
 * refused. An account has what it imported, and sees nothing else.
 */
export async function startCertificateManager(behaviour: AcmBehaviour = {}, region = 'eu-central-1'): Promise<CertificateManagerService> {
  const certificates = new Map<string, Imported>();
  const accountOf = (signer: Signer): string => behaviour.accountOf?.(signer) ?? ownAccount;
  const isOf = (one: Imported, signer: Signer): boolean => one.arn.split(':')[4] === accountOf(signer);
  const found = (input: Record<string, unknown>, signer: Signer): Imported => {
    const one = certificates.get(String(input['CertificateArn']));
    if (one === undefined || !isOf(one, signer)) throw new Refusal('ResourceNotFoundException', 'Could not find certificate');
    return one;
  };
  const operations = {
    ImportCertificate: async (input: Record<string, unknown>, signer: Signer) => {
      const material = readImport(input);
      const { CertificateArn: arn, Tags: tags } = input as { CertificateArn?: string; Tags?: { Key: string; Value: string }[] };
      if (arn !== undefined && tags !== undefined) throw new Refusal('ValidationException', 'Tags cannot be given for a reimport');
      if ((tags ?? []).length > mostTags) throw new Refusal('TooManyTagsException', 'too many tags');
      if ((tags ?? []).some(({ Key }) => Key.startsWith('aws:'))) throw new Refusal('InvalidTagException', 'reserved');
      const into = arn === undefined ? undefined : found(input, signer);
      if (into !== undefined && kindOf(into) !== kindOf(material))
        throw new Refusal('ValidationException', 'The key type and size cannot be changed');
      if (behaviour.importsLeft !== undefined && behaviour.importsLeft-- <= 0)
        throw new Refusal('LimitExceededException', 'the limit of imported certificates in the last year is reached');
      const imported: Imported =
        into === undefined
          ? {
              arn: `arn:aws:acm:${region}:${accountOf(signer)}:certificate/${randomUUID()}`,
              ...material,
              tags: new Map((tags ?? []).map(({ Key, Value }) => [Key, Value])),
              inUseBy: [],
              imports: 1,
            }
          : Object.assign(into, material, { imports: into.imports + 1 });
      certificates.set(imported.arn, imported);
      await behaviour.beforeImportAnswer?.(imported);
      return { CertificateArn: imported.arn };
    },
    GetCertificate: (input: Record<string, unknown>, signer: Signer) => {
      const { leaf, chain } = found(input, signer);
      return { Certificate: leaf, ...(chain !== '' && { CertificateChain: chain }) };
    },
    DescribeCertificate: (input: Record<string, unknown>, signer: Signer) => {
      const one = found(input, signer);
      return { Certificate: { CertificateArn: one.arn, ...namesOf(one), Type: 'IMPORTED', Status: 'ISSUED', InUseBy: one.inUseBy } };
    },
    ListCertificates: (input: Record<string, unknown>, signer: Signer) => {
      const kinds = (input['Includes'] as { keyTypes?: string[] } | undefined)?.keyTypes ?? ['RSA_1024', 'RSA_2048'];
      const start = Number(input['NextToken'] ?? 0);
      const end = start + Number(input['MaxItems'] ?? 1000);
      const all = [...certificates.values()].filter((one) => kinds.includes(kindOf(one)) && isOf(one, signer));
      return {
        CertificateSummaryList: all.slice(start, end).map((one) => ({
          CertificateArn: one.arn,
          DomainName: namesOf(one).DomainName,
          SubjectAlternativeNameSummaries: namesOf(one).SubjectAlternativeNames,
          Type: 'IMPORTED',
          InUse: one.inUseBy.length > 0,
        })),
        ...(end < all.length && { NextToken: String(end) }),
      };
    },
    ListTagsForCertificate: (input: Record<string, unknown>, signer: Signer) => ({
      Tags: [...found(input, signer).tags].map(([Key, Value]) => ({ Key, Value })),
    }),
  };
  const service = await startAwsJson(operations, async (operation) => {
    await behaviour.before?.(operation);
    if (behaviour.refusal !== undefined) throw behaviour.refusal;
  });
  return { ...service, certificates, region };
}

function readImport(input: Record<string, unknown>): Pick<Imported, 'leaf' | 'chain' | 'key'> {
  const text = (name: string, most: number): string => {
    const decoded = Buffer.from((input[name] as string | undefined) ?? '', 'base64').toString('latin1');
    if (decoded.length > most) throw new Refusal('ValidationException', `${name} is too long`);
    return decoded;
  };
  const [leaf, key, chain] = [text('Certificate', 32_768), text('PrivateKey', 5120), text('CertificateChain', 2_097_152)];
  const invalid = (why: string): Refusal => new Refusal('ValidationException', why);
  const [first, ...others] = certificatesIn(leaf);
  if (first === undefined || others.length > 0) throw invalid('The certificate field contains more than one certificate');
  let publicKey;
  try {
    publicKey = createPublicKey(createPrivateKey(key));
  } catch {
    throw invalid('The private key is not supported');
  }
  if (kindOf({ leaf }) === 'other') throw invalid('The private key algorithm is not supported');
  if (!publicKey.equals(first.publicKey)) throw invalid('The private key does not match the certificate');
  const now = Date.now();
  if (first.validFromDate.getTime() > now || first.validToDate.getTime() <= now) throw invalid('The certificate is not valid now');
  let subject = first;
  for (const issuer of certificatesIn(chain)) {
    if (issuer.fingerprint256 === first.fingerprint256 || !subject.checkIssued(issuer) || !subject.verify(issuer.publicKey))
      throw invalid('Could not validate the certificate with the certificate chain');
    subject = issuer;
  }
  return { leaf, chain, key };
}

function certificatesIn(pem: string): X509Certificate[] {
  try {
    return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((block) => new X509Certificate(block));
  } catch {
    throw new Refusal('ValidationException', 'The certificate is not valid');
  }
}

function kindOf({ leaf }: Pick<Imported, 'leaf'>): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = new X509Certificate(leaf).publicKey;
  if (type === 'rsa') return `RSA_${details?.modulusLength ?? 0}`;
  return type === 'ec' ? `EC_${details?.namedCurve ?? ''}` : 'other';
}

function namesOf({ leaf }: Pick<Imported, 'leaf'>): { readonly DomainName: string; readonly SubjectAlternativeNames: string[] } {
  const names = (new X509Certificate(leaf).subjectAltName ?? '').split(', ').map((name) => name.replace(/^DNS:/, ''));
  return { DomainName: names[0] ?? '', SubjectAlternativeNames: names };
}
