import {
  ACMClient,
  DescribeCertificateCommand,
  GetCertificateCommand,
  ImportCertificateCommand,
  KeyAlgorithm,
  ListCertificatesCommand,
  ListTagsForCertificateCommand,
  type ACMServiceException,
  type CertificateSummary,
} from '@aws-sdk/client-acm';
import { TargetFailure, safeDetail } from '../failure.ts';
import { targetTag, type CertificateManager } from './certificate-manager.ts';
import type { Session } from './session.ts';

// Each candidate is a call of its own, of which the service takes ten a second.
const mostCandidates = 40;
const pageSize = 1000;
// Without it the service lists RSA_2048 and RSA_1024 alone.
const everyKind = Object.values(KeyAlgorithm);

/** By the SDK's own chain of credentials (environment, profile, instance, function), or as the role that they may assume. */
export async function acmClient({ region, role }: Session): Promise<CertificateManager> {
  // Loaded for who assumes a role, and for nobody else.
  const credentials = role === undefined ? undefined : (await import('./assumed-role.ts')).assumedRole(region, role);
  const client = new ACMClient({ region, maxAttempts: 3, ...(credentials && { credentials }) });
  // An import whose answer is lost must not be made again unseen: that would be a second certificate. The tag of the first leads to it.
  const importing = new ACMClient({ region, maxAttempts: 1, credentials: client.config.credentials });
  return {
    async find(arn) {
      try {
        const [{ Certificate: leafPem, CertificateChain: chainPem }, { Certificate: described }] = await Promise.all([
          client.send(new GetCertificateCommand({ CertificateArn: arn })),
          client.send(new DescribeCertificateCommand({ CertificateArn: arn })),
        ]);
        if (leafPem === undefined) throw new TargetFailure('connector', 'ACM gives no certificate');
        return { leafPem, chainPem: chainPem ?? '', inUseBy: described?.InUseBy ?? [] };
      } catch (error) {
        if (nameOf(error) === 'ResourceNotFoundException') return undefined;
        throw refusal(error, 'reading the certificate');
      }
    },
    async findTagged(targetId, names) {
      try {
        const candidates: CertificateSummary[] = [];
        let token: string | undefined;
        do {
          const page = await client.send(
            new ListCertificatesCommand({ Includes: { keyTypes: everyKind }, MaxItems: pageSize, ...(token && { NextToken: token }) }),
          );
          candidates.push(...(page.CertificateSummaryList ?? []).filter((one) => mayBe(one, names)));
          token = page.NextToken;
        } while (token !== undefined);
        if (candidates.length > mostCandidates)
          throw new TargetFailure(
            'validate',
            `ACM has ${candidates.length} imported certificates of these names: say by certificate_arn which is meant`,
          );
        for (const { CertificateArn } of candidates) {
          const { Tags = [] } = await client.send(new ListTagsForCertificateCommand({ CertificateArn }));
          if (Tags.some(({ Key, Value }) => Key === targetTag && Value === targetId)) return CertificateArn;
        }
        return undefined;
      } catch (error) {
        throw refusal(error, 'looking for an earlier import');
      }
    },
    async put({ leafPem, chainPem, keyPem }, into) {
      const key = Buffer.from(keyPem);
      try {
        const { CertificateArn } = await importing.send(
          new ImportCertificateCommand({
            Certificate: Buffer.from(leafPem),
            PrivateKey: key,
            ...(chainPem !== '' && { CertificateChain: Buffer.from(chainPem) }),
            // Tags are taken with a new certificate only.
            ...('arn' in into ? { CertificateArn: into.arn } : { Tags: Object.entries(into.tags).map(([Key, Value]) => ({ Key, Value })) }),
          }),
        );
        if (CertificateArn === undefined) throw new TargetFailure('connector', 'ACM names no certificate');
        return CertificateArn;
      } catch (error) {
        throw refusal(error, 'the import');
      } finally {
        key.fill(0);
      }
    },
    async reach() {
      try {
        await client.send(new ListCertificatesCommand({ MaxItems: 1 }));
      } catch (error) {
        throw refusal(error, 'listing certificates');
      }
    },
  };
}

function mayBe(
  { CertificateArn, Type, DomainName, SubjectAlternativeNameSummaries }: CertificateSummary,
  names: readonly string[],
): boolean {
  if (CertificateArn === undefined || (Type !== undefined && Type !== 'IMPORTED')) return false;
  const its = [DomainName, ...(SubjectAlternativeNameSummaries ?? [])];
  return its.some((name) => name !== undefined && names.includes(name.toLowerCase()));
}

function nameOf(error: unknown): string {
  return (error as { name?: string }).name ?? '';
}

/** What a refusal means for who deploys. Only where the service judges the material are its own words kept. */
function refusal(error: unknown, what: string): TargetFailure {
  if (error instanceof TargetFailure) return error;
  const { $metadata, message } = error as Partial<ACMServiceException>;
  const name = nameOf(error);
  const status = $metadata?.httpStatusCode ?? 0;
  const failed = (failureClass: 'connector' | 'validate' | 'write', why: string): TargetFailure =>
    new TargetFailure(failureClass, `${what}: ${why}`, { cause: error });
  if (name === 'CredentialsProviderError') return failed('connector', 'there are no AWS credentials');
  if (name === 'LimitExceededException')
    return failed('write', 'a quota of ACM is used up (LimitExceededException); imports are counted over 365 days');
  if (name === 'AccessDeniedException' || status === 403) return failed('connector', `not allowed (${name})`);
  if (name === 'ThrottlingException' || name === 'TooManyRequestsException' || status === 429) return failed('connector', 'ACM is busy');
  if (status >= 400 && status < 500) return failed('validate', `ACM refuses (${name}): ${safeDetail(message ?? '').slice(0, 300)}`);
  return failed('connector', status === 0 ? 'ACM does not answer' : `ACM has a fault (${status})`);
}
