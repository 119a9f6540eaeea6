import { CaError } from '../error.ts';
import { buildTbsIntermediate } from '../x509/authority.ts';
import type { IssuerInfo } from '../x509/leaf.ts';
import { lintTbsCertificate } from '../x509/lint.ts';
import { authorityRules } from '../x509/lint-rules/baseline-authority.ts';
import { baselineRules, reservedPolicies } from '../x509/lint-rules/baseline.ts';
import type { AuthorityName } from '../x509/name.ts';
import type { SignatureAlgorithm } from '../x509/signer.ts';
import { assertAuthorityBelow, issuingState, type IssuingPath } from './issuing-path.ts';
import { statusUrls } from './issue.ts';
import { subordinateTerms, type SubordinateRequest, type SubordinateTerms } from './subordinate.ts';

/** The CA that will sign another's certificate. */
export interface ParentAuthority {
  readonly id: string;
  readonly issuer: IssuerInfo;
  readonly path: IssuingPath;
  readonly algorithm: SignatureAlgorithm;
}

/**
 * Builds the certificate of a CA below another and checks it as a relying party would: the parent's key has signed nothing yet when a rule refuses.
 *
 * @param input.now milliseconds since the epoch
 * @returns TBSCertificate, DER, and what it says
 * @throws {CaError} `hierarchyViolation`, `unavailable`; `internal` when the result breaks a rule of RFC 5280
 */
export function prepareSubordinate(input: {
  readonly parent: ParentAuthority;
  readonly name: AuthorityName;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Canonical hex. */
  readonly serial: string;
  readonly request: SubordinateRequest;
  readonly now: number;
  readonly pkiBaseUrl: string;
}): { readonly tbs: Uint8Array; readonly terms: SubordinateTerms } {
  const { parent } = input;
  const terms = subordinateTerms(issuingState(parent.path, input.now), input.request, input.now);
  const { permitted, excluded } = terms.nameConstraints;
  const urls = statusUrls(input.pkiBaseUrl, parent.id);
  const tbs = buildTbsIntermediate(parent.issuer, parent.algorithm, {
    ...input.name,
    serial: input.serial,
    spki: input.spki,
    notBefore: terms.notBefore,
    notAfter: terms.notAfter,
    ...(terms.pathLength !== undefined && { pathLength: terms.pathLength }),
    nameConstraints: { permitted: permitted.map(({ der }) => der), excluded: excluded.map(({ der }) => der) },
    ...(terms.extendedKeyUsages !== undefined && { extendedKeyUsages: terms.extendedKeyUsages }),
    ...(terms.policies !== undefined && { policies: terms.policies }),
    crlDistributionPoints: [urls.crl],
    ocspUrls: [urls.ocsp],
    caIssuerUrls: [urls.caIssuers],
  });
  const findings = lintTbsCertificate(tbs, {
    kind: 'intermediate',
    issuer: parent.issuer,
    ...(terms.policies?.some((policy) => reservedPolicies.has(policy)) && { further: [...baselineRules, ...authorityRules] }),
  });
  const [finding] = findings;
  if (finding !== undefined)
    throw new CaError(finding.refusal ?? 'internal', `the CA certificate would break rule ${finding.rule}: ${finding.detail}`, {
      cause: findings,
    });
  assertAuthorityBelow(parent.path, tbs, input.now);
  return { tbs, terms };
}
