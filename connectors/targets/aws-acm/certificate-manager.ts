import type { Material } from '../material.ts';

/** A certificate as AWS Certificate Manager has it. */
export interface StoredCertificate {
  /** PEM. */
  readonly leafPem: string;
  /** PEM; empty where it was imported without. */
  readonly chainPem: string;
  /** ARNs of what serves it. */
  readonly inUseBy: readonly string[];
}

/** Names by which a certificate is known again, as tags of its own. */
export const targetTag = 'certctl:target';
export const certificateTag = 'certctl:certificate';

/** AWS Certificate Manager of one region, as far as a deployment needs it. All throw {@link TargetFailure}. */
export interface CertificateManager {
  /** GetCertificate and DescribeCertificate; undefined when there is none of this ARN. */
  find(arn: string): Promise<StoredCertificate | undefined>;
  /**
   * The import that a target made before it could say so, by the tag that it was made with.
   *
   * @param names of which it has one
   * @returns its ARN
   */
  findTagged(targetId: string, names: readonly string[]): Promise<string | undefined>;
  /** ImportCertificate: into the certificate of an ARN, or as a new one with tags. @returns the ARN */
  put(
    material: Pick<Material, 'leafPem' | 'chainPem' | 'keyPem'>,
    into: { readonly arn: string } | { readonly tags: Readonly<Record<string, string>> },
  ): Promise<string>;
  /** One small read, for who asks whether it could. */
  reach(): Promise<void>;
}
