import { CaError } from '../error.ts';
import { newId } from '../id.ts';
import { countingFailures } from '../limit/limiter.ts';
import type { Account } from './account.ts';
import { assertUsable, type KeyRequest } from './authenticate.ts';
import { readContacts } from './contact.ts';
import { readBinding, verifyBinding } from './eab.ts';
import { readPayload } from './jws.ts';
import type { AcmePorts } from './ports.ts';

/**
 * Finds or makes the account of a key (RFC 8555 §7.3).
 *
 * @throws {CaError} `accountDoesNotExist` (onlyReturnExisting), `userActionRequired` (terms), `externalAccountRequired`, `unauthorized` (binding, or a
 *   key whose account is not valid any more), contacts' codes, `rateLimited`
 */
export async function newAccount(ports: AcmePorts, request: KeyRequest): Promise<{ readonly account: Account; readonly created: boolean }> {
  const { profile, key } = request;
  const payload = readPayload(request.payload);
  const known = await ports.accounts.accountByKey(profile.id, key.thumbprint);
  if (known !== undefined) {
    if (known.status !== 'valid') throw new CaError('unauthorized', `the account of this key is ${known.status}`);
    assertUsable(known);
    return { account: known, created: false };
  }
  if (payload['onlyReturnExisting'] === true) throw new CaError('accountDoesNotExist', 'no account has this key');
  const contact = readContacts(payload['contact']);
  const termsAgreed = payload['termsOfServiceAgreed'] === true;
  if (profile.termsOfService !== undefined && !termsAgreed) {
    throw new CaError('userActionRequired', 'the terms of service must be agreed to', { url: profile.termsOfService });
  }
  await ports.limiter.take('acme-new-account', request.addressKey);
  const binding = await verifiedBinding(ports, request, payload['externalAccountBinding']);
  const made = await ports.accounts.createAccount({
    id: newId('acct', ports.chance.now(), ports.chance.random(10)),
    profileId: profile.id,
    jwk: key.jwk,
    thumbprint: key.thumbprint,
    contact,
    termsAgreed,
    binding,
  });
  if (made === undefined) throw new CaError('unauthorized', 'the external account binding is not valid');
  assertUsable(made.account);
  return made;
}

async function verifiedBinding(
  ports: AcmePorts,
  request: KeyRequest,
  value: unknown,
): Promise<{ keyId: string; jws: Readonly<Record<string, unknown>> } | undefined> {
  if (value === undefined) {
    if (request.profile.eabRequired)
      throw new CaError('externalAccountRequired', 'an external account binding is required; ask the operator for a key');
    return undefined;
  }
  return countingFailures(ports.limiter, 'acme-eab-failure', request.addressKey, isWrongBinding, async () => {
    const binding = readBinding(value, { url: request.url, jwk: request.key.jwk });
    const key = await ports.accounts.usableEabKey(binding.keyId, request.profile.id);
    verifyBinding(binding, key && (await ports.unseal(key.sealedHmac, `eab:${key.id}`)));
    return { keyId: binding.keyId, jws: binding.jws };
  });
}

function isWrongBinding(error: unknown): boolean {
  return error instanceof CaError && error.code === 'unauthorized';
}
