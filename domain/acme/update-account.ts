import { CaError } from '../error.ts';
import type { Account } from './account.ts';
import type { AccountRequest } from './authenticate.ts';
import { readContacts } from './contact.ts';
import { readPayload } from './jws.ts';
import type { AcmePorts } from './ports.ts';
import { AccountChanged } from './store.ts';

/**
 * Reads (POST-as-GET), changes the contacts of, or deactivates an account (RFC 8555 §§7.3.2, 7.3.6).
 *
 * @throws {CaError} `malformed` for another status than `deactivated`, contacts' codes
 */
export async function updateAccount(ports: AcmePorts, request: AccountRequest): Promise<Account> {
  if (request.payload.length === 0) return presentAccount(ports, request);
  const payload = readPayload(request.payload);
  if ('status' in payload && payload['status'] !== 'valid') {
    if (payload['status'] !== 'deactivated') throw new CaError('malformed', 'the only status that a client may set is deactivated');
    return ports.accounts.deactivateAccount(request.who);
  }
  if (!('contact' in payload)) return presentAccount(ports, request);
  return ports.accounts.updateContact(request.who, readContacts(payload['contact']));
}

/**
 * The account as it is stored now. What this instance remembers of it may be out of date.
 *
 * @throws {AccountChanged} when its key or status is another by now
 */
export async function presentAccount(ports: AcmePorts, request: AccountRequest): Promise<Account> {
  const account = await ports.accounts.account(request.account.id);
  if (account?.thumbprint !== request.who.thumbprint || account.status !== 'valid' || account.blocked) throw new AccountChanged();
  return account;
}
