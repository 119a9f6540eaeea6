import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { prepareSubordinate } from '#domain/issuance/issue-authority.ts';
import { prepareLeaf, signIntent, signingAuthority, type SigningAuthority } from '#domain/issuance/issue.ts';
import type { Profile } from '#domain/issuance/profile.ts';
import type { SubordinateRequest, SubordinateTerms } from '#domain/issuance/subordinate.ts';
import { buildTbsRoot, type AuthorityTemplate } from '#domain/x509/authority.ts';
import type { GeneralName } from '#domain/x509/general-name.ts';
import { signCertificate } from '#domain/x509/leaf.ts';
import { parseSubtree } from '#domain/x509/path/subtree-text.ts';
import { parsePublicKey } from '#domain/x509/public-key.ts';
import { newSerial } from '#domain/x509/serial.ts';
import { softwareSigner } from '#domain/x509/software-signer.ts';

export const madeNow = Date.UTC(2026, 10, 25);
export const daySeconds = 86_400;
const newSigner = () => softwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
const pkiBaseUrl = 'http://pki.example.com';

/** A request in short: subtrees as text. */
export interface Wanted extends Partial<Omit<SubordinateRequest, 'nameConstraints'>> {
  readonly permitted?: readonly string[];
  readonly excluded?: readonly string[];
}

export async function makeRoot(
  limits: Partial<AuthorityTemplate> & { readonly permitted?: readonly string[]; readonly excluded?: readonly string[] } = {},
): Promise<SigningAuthority> {
  const signer = newSigner();
  const { permitted = [], excluded = [], ...template } = limits;
  const tbs = buildTbsRoot(signer.algorithm, {
    serial: newSerial(randomBytes(16)),
    commonName: 'Root',
    spki: signer.publicKeySpki,
    notBefore: new Date(madeNow - 3_600_000),
    notAfter: new Date(madeNow + 3650 * daySeconds * 1000),
    nameConstraints: {
      permitted: permitted.map((text) => parseSubtree(text).der),
      excluded: excluded.map((text) => parseSubtree(text).der),
    },
    ...template,
  });
  return signingAuthority('root', [await signCertificate(signer, tbs)], signer);
}

export async function makeSubordinate(
  parent: SigningAuthority,
  commonName: string,
  wanted: Wanted = {},
): Promise<{ readonly authority: SigningAuthority; readonly terms: SubordinateTerms }> {
  const signer = newSigner();
  const { permitted = [], excluded = [], ...rest } = wanted;
  const { tbs, terms } = prepareSubordinate({
    parent: { ...parent, algorithm: parent.signer.algorithm },
    name: { organization: 'Example', commonName },
    spki: signer.publicKeySpki,
    serial: newSerial(randomBytes(16)),
    request: {
      pathLength: undefined,
      extendedKeyUsages: undefined,
      policies: undefined,
      ttlSeconds: 1825 * daySeconds,
      ...rest,
      nameConstraints: { permitted: permitted.map(parseSubtree), excluded: excluded.map(parseSubtree) },
    },
    now: madeNow,
    pkiBaseUrl,
  });
  const certificate = await signCertificate(parent.signer, tbs);
  return { authority: signingAuthority(commonName.toLowerCase().replace(/ /g, '-'), [...parent.path, certificate], signer), terms };
}

export const madeProfile: Profile = {
  id: 'test', name: 'Test', description: '', enabled: true, authMode: 'trust_authenticated', eabRequired: true, allowedNames: undefined,
  allowWildcards: true, allowSingleLabel: true, allowedChallenges: [], allowedCidrs: [], keyRules: [], validitySeconds: 90 * daySeconds,
  extendedKeyUsages: ['serverAuth'], mustStaple: false, maxIdentifiers: 100, termsOfService: undefined, website: undefined, caaIdentities: [],
  selectable: false, authorizationReuseSeconds: 0, subdomainAuthAllowed: false, autoRenewal: undefined, caId: 'test', requiresApproval: false, requirements: 'rfc5280',
  policies: [], version: 1,
}; // prettier-ignore

/** Signs a subscriber's certificate as every protocol does. @returns DER */
export async function makeLeaf(
  authority: SigningAuthority,
  names: readonly GeneralName[],
  more: Partial<Profile> = {},
  now = madeNow,
): Promise<Buffer> {
  const intent = prepareLeaf({
    authority,
    profile: { ...madeProfile, ...more },
    idempotencyKey: 'order',
    serial: newSerial(randomBytes(16)),
    publicKey: parsePublicKey(newSigner().publicKeySpki),
    names,
    now,
    pkiBaseUrl,
    crlShards: [],
  });
  return Buffer.from((await signIntent(intent, authority.signer, 'cert')).certificate);
}

export const host = (value: string): GeneralName => ({ type: 'dns', value });
