import { CaError } from '../error.ts';
import type { AccountRequest } from './authenticate.ts';
import { identifierKey, type Identifier } from './identifier.ts';
import type { Replaced } from './order.ts';
import type { AcmePorts } from './ports.ts';
import { readCertId } from './renewal-info.ts';

/**
 * Reads the `replaces` member of newOrder (RFC 9773 §5): a certificate of this account that shares an identifier with the order.
 *
 * @throws {CaError} `malformed`, `unauthorized`
 */
export async function readReplaced(
  ports: AcmePorts,
  request: AccountRequest,
  value: unknown,
  identifiers: readonly Identifier[],
): Promise<Replaced | undefined> {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw new CaError('malformed', 'replaces is not a string');
  const certificate = await ports.renewals.renewable(readCertId(value));
  if (certificate === undefined) throw new CaError('malformed', 'replaces names no certificate of this CA');
  if (certificate.accountId !== request.account.id)
    throw new CaError('unauthorized', 'the certificate to be replaced is not of this account');
  const names = new Set(certificate.names.map(identifierKey));
  if (!identifiers.some((identifier) => names.has(identifierKey(identifier))))
    throw new CaError('malformed', 'the order shares no identifier with the certificate that it replaces');
  return { certId: value, certificateId: certificate.id };
}
