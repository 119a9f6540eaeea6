import type { AutoRenewalRules, Profile } from '../issuance/profile.ts';

/** Every URL of one profile's ACME server; all are made from the configured base, none from a request (RFC 8555 §7.1). */
export interface AcmeUrls {
  readonly base: string;
  readonly directory: string;
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  readonly revokeCert: string;
  readonly keyChange: string;
  readonly renewalInfo: string;
  account(id: string): string;
  orders(accountId: string): string;
  order(id: string): string;
  finalize(orderId: string): string;
  authorization(id: string): string;
  challenge(id: string): string;
  certificate(id: string): string;
  /** @param number from 1 */
  alternate(certificateId: string, number: number): string;
  /** @param starId of the order (RFC 8739 §3.1.1) */
  starCertificate(starId: string): string;
  /** What hashed account URLs begin with (draft-ietf-acme-dns-persist-02 §4.1); nothing is served there. */
  readonly accountHashPrefix: string;
  /** A page for a person. */
  unpause(token: string): string;
}

/**
 * @param publicBaseUrl https, no trailing slash
 * @example acmeUrls('https://pki.example.com', 'default').directory // 'https://pki.example.com/acme/profile/default/directory'
 */
export function acmeUrls(publicBaseUrl: string, profileId: string): AcmeUrls {
  const base = `${publicBaseUrl}/acme/profile/${profileId}`;
  return {
    base,
    directory: `${base}/directory`,
    newNonce: `${base}/new-nonce`,
    newAccount: `${base}/new-account`,
    newOrder: `${base}/new-order`,
    revokeCert: `${base}/revoke-cert`,
    keyChange: `${base}/key-change`,
    renewalInfo: `${base}/renewal-info`,
    account: (id) => `${base}/account/${id}`,
    orders: (accountId) => `${base}/account/${accountId}/orders`,
    order: (id) => `${base}/order/${id}`,
    finalize: (orderId) => `${base}/order/${orderId}/finalize`,
    authorization: (id) => `${base}/authz/${id}`,
    challenge: (id) => `${base}/challenge/${id}`,
    certificate: (id) => `${base}/cert/${id}`,
    alternate: (certificateId, number) => `${base}/cert/${certificateId}/${number}`,
    starCertificate: (starId) => `${base}/star/${starId}`,
    accountHashPrefix: `${base}/account-hash/`,
    unpause: (token) => `${base}/unpause/${token}`,
  };
}

/** The directory object (RFC 8555 §7.1.1; RFC 9773 §3; RFC 9444 §4.4; RFC 8739 §3.2; draft-ietf-acme-profiles §3; draft-ietf-acme-dns-persist-02 §3.2). */
export function directoryObject(
  urls: AcmeUrls,
  meta: Pick<Profile, 'termsOfService' | 'website' | 'caaIdentities' | 'eabRequired'>,
  offers: {
    readonly profiles: Readonly<Record<string, string>>;
    readonly renewalInfo: boolean;
    /** RFC 9444 §4.4 */
    readonly subdomains: boolean;
    /** RFC 8739 §3.2; undefined: nothing renews itself. */
    readonly autoRenewal: AutoRenewalRules | undefined;
    /** Empty: dns-persist-01 is not offered. */
    readonly issuerDomainNames: readonly string[];
  },
): Readonly<Record<string, unknown>> {
  const entries = {
    ...(meta.termsOfService !== undefined && { termsOfService: meta.termsOfService }),
    ...(meta.website !== undefined && { website: meta.website }),
    ...(meta.caaIdentities.length > 0 && { caaIdentities: meta.caaIdentities }),
    ...(meta.eabRequired && { externalAccountRequired: true }),
    ...(offers.subdomains && { subdomainAuthAllowed: true }),
    ...(offers.autoRenewal && { 'auto-renewal': offeredRenewal(offers.autoRenewal) }),
    ...(offers.issuerDomainNames.length > 0 && {
      issuerDomainNames: offers.issuerDomainNames,
      accountHashPrefix: urls.accountHashPrefix,
    }),
    profiles: offers.profiles,
  };
  return {
    newNonce: urls.newNonce,
    newAccount: urls.newAccount,
    newOrder: urls.newOrder,
    revokeCert: urls.revokeCert,
    keyChange: urls.keyChange,
    ...(offers.renewalInfo && { renewalInfo: urls.renewalInfo }),
    meta: entries,
  };
}

function offeredRenewal(rules: AutoRenewalRules): Readonly<Record<string, unknown>> {
  return {
    'min-lifetime': rules.minLifetime,
    'max-duration': rules.maxDuration,
    ...(rules.allowCertificateGet && { 'allow-certificate-get': true }),
  };
}
