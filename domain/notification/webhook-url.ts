import { isIP } from 'node:net';
import { CaError } from '../error.ts';
import { isDnsName } from '../x509/dns-name.ts';

/**
 * What may be a channel's address: https, a dns name, no credentials; plain http only behind the local host's door.
 *
 * @throws {CaError} `policyViolation`
 */
export function assertWebhookUrl(text: string, doorSuffix: string | undefined): URL {
  const url = URL.parse(text);
  if (url === null) throw new CaError('policyViolation', 'the address of the channel is no URL');
  const behindDoor = doorSuffix !== undefined && url.hostname.endsWith(doorSuffix);
  if (url.protocol !== 'https:' && !(behindDoor && url.protocol === 'http:'))
    throw new CaError('policyViolation', 'the address of the channel is not https');
  if (url.username !== '' || url.password !== '') throw new CaError('policyViolation', 'the address of the channel carries credentials');
  if (isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0 || !isDnsName(url.hostname))
    throw new CaError('policyViolation', 'the address of the channel has no dns name');
  return url;
}
