import { extensionOf, type TbsCertificate } from '../x509/certificate.ts';
import { extensionElement } from '../x509/extension.ts';
import { Oid } from '../x509/oids.ts';
import { readDistributionPoints } from '../x509/path/distribution-point.ts';
import { shardOfUrl } from './crl-scope.ts';

/** The shard that a certificate of a CA of ours names; undefined: the complete CRL. @throws {DerError} */
export function namedShard(certificate: TbsCertificate, caId: string): number | undefined {
  const extension = extensionOf(certificate, Oid.cRLDistributionPoints);
  const [point] = extension === undefined ? [] : readDistributionPoints(extensionElement(extension));
  const name = point?.name;
  return name !== undefined && 'full' in name ? shardOfUrl(name.full[0] ?? '', caId) : undefined;
}
