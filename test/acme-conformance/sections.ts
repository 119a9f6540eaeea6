import type { Case } from './case.ts';
import { httpsRequests } from './rfc8555/6-1-https.ts';
import { requestAuthentication } from './rfc8555/6-2-request-authentication.ts';
import { postAsGet } from './rfc8555/6-3-post-as-get.ts';
import { requestUrl } from './rfc8555/6-4-request-url.ts';
import { replayProtection } from './rfc8555/6-5-replay-protection.ts';
import { errors } from './rfc8555/6-7-errors.ts';
import { resources } from './rfc8555/7-1-resources.ts';
import { newNonce } from './rfc8555/7-2-new-nonce.ts';
import { accounts } from './rfc8555/7-3-accounts.ts';
import { externalAccounts } from './rfc8555/7-3-4-external-accounts.ts';
import { keyChange } from './rfc8555/7-3-5-key-change.ts';
import { orders } from './rfc8555/7-4-orders.ts';
import { downloads } from './rfc8555/7-4-2-download.ts';
import { authorizations } from './rfc8555/7-5-authorizations.ts';
import { revocation } from './rfc8555/7-6-revocation.ts';
import { challenges } from './rfc8555/8-challenges.ts';
import { tlsAlpn } from './rfc8737/3-tls-alpn.ts';
import { ipIdentifiers } from './rfc8738/3-ip-identifiers.ts';
import { autoRenewal } from './rfc8739/3-auto-renewal.ts';
import { subdomains } from './rfc9444/4-subdomains.ts';
import { accountLabels } from './drafts/dns-account-label.ts';
import { persistentRecords } from './drafts/dns-persist.ts';
import { renewalInfos } from './rfc9773/4-renewal-info.ts';
import { replaces } from './rfc9773/5-replaces.ts';

export interface Section {
  readonly title: string;
  readonly cases: readonly Case[];
}

/** The suite, in the order of the documents. */
export const sections: readonly Section[] = [
  { title: 'RFC 8555 §6.1 HTTPS requests', cases: httpsRequests },
  { title: 'RFC 8555 §6.2 request authentication', cases: requestAuthentication },
  { title: 'RFC 8555 §6.3 GET and POST-as-GET', cases: postAsGet },
  { title: 'RFC 8555 §6.4 request URL integrity', cases: requestUrl },
  { title: 'RFC 8555 §6.5 replay protection', cases: replayProtection },
  { title: 'RFC 8555 §6.7 errors', cases: errors },
  { title: 'RFC 8555 §7.1 resources', cases: resources },
  { title: 'RFC 8555 §7.2 getting a nonce', cases: newNonce },
  { title: 'RFC 8555 §7.3 accounts', cases: accounts },
  { title: 'RFC 8555 §7.3.4 external account binding', cases: externalAccounts },
  { title: 'RFC 8555 §7.3.5 account key rollover', cases: keyChange },
  { title: 'RFC 8555 §7.4 applying for certificate issuance', cases: orders },
  { title: 'RFC 8555 §7.4.2 downloading the certificate', cases: downloads },
  { title: 'RFC 8555 §7.5 identifier authorization', cases: authorizations },
  { title: 'RFC 8555 §7.6 certificate revocation', cases: revocation },
  { title: 'RFC 8555 §8 challenges', cases: challenges },
  { title: 'RFC 8737 tls-alpn-01', cases: tlsAlpn },
  { title: 'RFC 8738 IP identifiers', cases: ipIdentifiers },
  { title: 'RFC 8739 automatic renewal', cases: autoRenewal },
  { title: 'RFC 9444 subdomains', cases: subdomains },
  { title: 'RFC 9773 §4 renewal information', cases: renewalInfos },
  { title: 'RFC 9773 §5 replacing a certificate', cases: replaces },
  { title: 'draft-ietf-acme-dns-account-label', cases: accountLabels },
  { title: 'draft-ietf-acme-dns-persist', cases: persistentRecords },
];
