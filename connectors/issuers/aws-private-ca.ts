import {
  ACMPCAClient,
  GetCertificateCommand,
  IssueCertificateCommand,
  RevokeCertificateCommand,
  RevocationReason,
  type ACMPCAServiceException,
  type SigningAlgorithm,
} from '@aws-sdk/client-acm-pca';
import * as z from 'zod';

/** Where an issuer of this type finds its CA; the function's role has the permission, nothing here is secret. */
export const awsPrivateCaConfig = z.strictObject({
  caArn: z
    .string()
    .regex(
      /^arn:aws(?:-[a-z]+)*:acm-pca:[a-z0-9-]+:\d{12}:certificate-authority\/[a-f0-9-]{36}$/,
      'the ARN of a private certificate authority',
    ),
  signingAlgorithm: z
    .enum(['SHA256WITHRSA', 'SHA384WITHRSA', 'SHA512WITHRSA', 'SHA256WITHECDSA', 'SHA384WITHECDSA', 'SHA512WITHECDSA'])
    .default('SHA256WITHECDSA'),
  templateArn: z
    .string()
    .regex(/^arn:aws(?:-[a-z]+)*:acm-pca:::template\/[A-Za-z0-9_/]+$/, 'the ARN of a template')
    .optional(),
});
export type AwsPrivateCaConfig = z.output<typeof awsPrivateCaConfig>;

/** A CA's refusal or silence, with a detail that may be kept. */
export class IssuerError extends Error {
  override readonly name = 'IssuerError';
  readonly final: boolean;
  readonly retryAfter: number | undefined;
  constructor(detail: string, options: { readonly final: boolean; readonly retryAfter?: number | undefined; readonly cause?: unknown }) {
    super(detail, { cause: options.cause });
    this.final = options.final;
    this.retryAfter = options.retryAfter;
  }
}

export interface AwsPrivateCa {
  /**
   * Orders a certificate. The same token within five minutes gives the same order (IssueCertificate, IdempotencyToken).
   *
   * @param csr PEM
   * @param notAfter the end of its validity; the service takes whole seconds
   * @returns the certificate's ARN
   * @throws {IssuerError}
   */
  order(config: AwsPrivateCaConfig, request: { readonly csr: string; readonly notAfter: Date; readonly token: string }): Promise<string>;
  /** Undefined while the CA is still at it. PEM. @throws {IssuerError} */
  collect(config: AwsPrivateCaConfig, orderRef: string): Promise<{ readonly certificate: string; readonly chain: string } | undefined>;
  /** Tells the CA of a revocation; one that it knows already is none. @param serial canonical hex @throws {IssuerError} */
  revoke(config: AwsPrivateCaConfig, serial: string, reason: number): Promise<void>;
}

/** By CRLReason; the service knows no hold. */
const reasonOf: Readonly<Record<number, RevocationReason>> = {
  0: RevocationReason.UNSPECIFIED,
  1: RevocationReason.KEY_COMPROMISE,
  2: RevocationReason.CERTIFICATE_AUTHORITY_COMPROMISE,
  3: RevocationReason.AFFILIATION_CHANGED,
  4: RevocationReason.SUPERSEDED,
  5: RevocationReason.CESSATION_OF_OPERATION,
  9: RevocationReason.PRIVILEGE_WITHDRAWN,
};
const throttleSeconds = 5;
// Asking again may help: too much at once, a limit that others free, a fault of the service.
const transient = new Set([
  'ThrottlingException',
  'TooManyRequestsException',
  'LimitExceededException',
  'ConcurrentModificationException',
  'RequestInProgressException',
]);

/** AWS Private CA. One try each: the job engine repeats, so that waiting costs nobody a function. */
export function awsPrivateCa(): AwsPrivateCa {
  const clients = new Map<string, ACMPCAClient>();
  const clientOf = ({ caArn }: AwsPrivateCaConfig): ACMPCAClient => {
    const region = caArn.split(':')[3] ?? '';
    let client = clients.get(region);
    if (client === undefined) {
      client = new ACMPCAClient({ region, maxAttempts: 1 });
      clients.set(region, client);
    }
    return client;
  };
  return {
    async order(config, { csr, notAfter, token }) {
      try {
        const { CertificateArn } = await clientOf(config).send(
          new IssueCertificateCommand({
            CertificateAuthorityArn: config.caArn,
            // PEM bytes, although the type says no more than bytes.
            Csr: Buffer.from(csr),
            SigningAlgorithm: config.signingAlgorithm satisfies SigningAlgorithm,
            ...(config.templateArn !== undefined && { TemplateArn: config.templateArn }),
            Validity: { Type: 'ABSOLUTE', Value: Math.floor(notAfter.getTime() / 1000) },
            IdempotencyToken: token,
          }),
        );
        if (CertificateArn === undefined) throw new IssuerError('the CA named no certificate', { final: false });
        return CertificateArn;
      } catch (error) {
        throw asIssuerError(error);
      }
    },
    async collect(config, orderRef) {
      try {
        const { Certificate, CertificateChain } = await clientOf(config).send(
          new GetCertificateCommand({ CertificateAuthorityArn: config.caArn, CertificateArn: orderRef }),
        );
        if (Certificate === undefined) throw new IssuerError('the CA gave no certificate', { final: false });
        return { certificate: Certificate, chain: CertificateChain ?? '' };
      } catch (error) {
        if ((error as { name?: string }).name === 'RequestInProgressException') return undefined;
        throw asIssuerError(error);
      }
    },
    async revoke(config, serial, reason) {
      const named = reasonOf[reason];
      if (named === undefined) throw new IssuerError('the CA knows no such reason', { final: true });
      try {
        await clientOf(config).send(
          new RevokeCertificateCommand({
            CertificateAuthorityArn: config.caArn,
            CertificateSerial: serialText(serial),
            RevocationReason: named,
          }),
        );
      } catch (error) {
        if ((error as { name?: string }).name === 'RequestAlreadyProcessedException') return;
        throw asIssuerError(error);
      }
    },
  };
}

/** In pairs of digits, as the service writes serials. */
function serialText(serial: string): string {
  const even = serial.length % 2 === 0 ? serial : `0${serial}`;
  return (even.match(/../g) ?? []).join(':');
}

function asIssuerError(error: unknown): IssuerError {
  if (error instanceof IssuerError) return error;
  const { name, $metadata, $fault } = error as Partial<ACMPCAServiceException>;
  const status = $metadata?.httpStatusCode ?? 0;
  if (transient.has(name ?? '') || status === 429)
    return new IssuerError(`the CA is busy (${name ?? status})`, { final: false, retryAfter: throttleSeconds, cause: error });
  // A fault of the client's is a refusal; whatever has no answer, or a fault of the service's, may heal.
  const final = $fault === 'client' && status >= 400 && status < 500 && status !== 408;
  return new IssuerError(final ? `the CA refuses (${name ?? status})` : 'the CA does not answer', { final, cause: error });
}
