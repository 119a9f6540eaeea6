import { newBudget, type Budget } from './budget.ts';
import { readPathCertificate, type PathCertificate } from './certificate.ts';
import { readPathCrl, type PathCrl } from './crl.ts';
import { PathFault, type PathFaultCode } from './fault.ts';
import { assertNotRevoked } from './revocation.ts';
import { pathsTo } from './search.ts';
import { afterAuthority, endEntity, initialState, type PathOptions } from './state.ts';

/** A question to {@link validatePath}: everything DER, nothing trusted but the anchors. */
export interface PathQuestion {
  readonly certificate: Uint8Array;
  /** CAs and CRL signers, in any order; what cannot be read is passed over. */
  readonly intermediates: readonly Uint8Array[];
  readonly anchors: readonly Uint8Array[];
  readonly options: PathOptions;
  /** Undefined: nobody asks whether something is revoked. */
  readonly revocation?: {
    readonly crls: readonly Uint8Array[];
    /** Whether a certificate that no CRL covers is refused. */
    readonly required: boolean;
  };
}

export type PathResult =
  | {
      readonly valid: true;
      /** DER, the end entity first, the anchor last. */
      readonly path: readonly Uint8Array[];
      /** Dotted; anyPolicy stands for every one. */
      readonly policies: ReadonlySet<string>;
    }
  | { readonly valid: false; readonly code: PathFaultCode; readonly detail: string };

const maxCertificates = 256;
const maxCrls = 256;
// A CRL signer's own CRL may have a signer of its own, and so on.
const maxSigners = 4;

interface Search {
  readonly pool: readonly PathCertificate[];
  readonly crls: readonly PathCrl[];
  readonly required: boolean;
  readonly checked: boolean;
  readonly budget: Budget;
  /** CRL signers whose own paths are being looked for. */
  readonly pending: readonly PathCertificate[];
}

/**
 * Finds a path from a certificate to an anchor and validates it (RFC 5280 §6). Bounded in time for any input; the first fault found is reported.
 *
 * @example
 * validatePath({ certificate, intermediates, anchors: [root], options: { at: new Date() } });
 */
export function validatePath(question: PathQuestion): PathResult {
  try {
    if (question.intermediates.length > maxCertificates || question.anchors.length > maxCertificates)
      throw new PathFault('too_complex', 'too many certificates');
    if ((question.revocation?.crls.length ?? 0) > maxCrls) throw new PathFault('too_complex', 'too many CRLs');
    const search: Search = {
      pool: readable(question.intermediates, readPathCertificate),
      crls: readable(question.revocation?.crls ?? [], readPathCrl),
      required: question.revocation?.required === true,
      checked: question.revocation !== undefined,
      budget: newBudget(),
      pending: [],
    };
    const anchors = question.anchors.map(readPathCertificate);
    const { path, policies } = find(readPathCertificate(question.certificate), anchors, question.options, search);
    return { valid: true, path: path.map(({ der }) => der).reverse(), policies };
  } catch (error) {
    if (!(error instanceof PathFault)) throw error;
    return { valid: false, code: error.code, detail: error.message };
  }
}

interface Found {
  /** The anchor first. */
  readonly path: readonly PathCertificate[];
  readonly policies: ReadonlySet<string>;
}

function find(certificate: PathCertificate, anchors: readonly PathCertificate[], options: PathOptions, search: Search): Found {
  let first: PathFault | undefined;
  for (const { anchor, certificates } of pathsTo(certificate, search.pool, anchors, search.budget)) {
    try {
      return walk(anchor, certificates, options, search);
    } catch (error) {
      if (!(error instanceof PathFault) || error.code === 'too_complex') throw error;
      // A way whose signatures hold says more of what is wrong than one that only looked like one.
      if (first === undefined || first.code === 'bad_signature') first = error;
    }
  }
  throw first ?? new PathFault('no_path', 'no path leads to a trust anchor');
}

function walk(anchor: PathCertificate, certificates: readonly PathCertificate[], options: PathOptions, search: Search): Found {
  const last = certificates.at(-1);
  if (last === undefined) throw new PathFault('no_path', 'there is no certificate');
  let state = initialState(anchor, options);
  for (const authority of certificates.slice(0, -1)) state = afterAuthority(state, authority, options, search.budget);
  const policies = endEntity(state, last, options, search.budget);
  const path = [anchor, ...certificates];
  if (search.checked) for (const certificate of certificates) assertStatus(certificate, path, options, search);
  return { path, policies };
}

function assertStatus(certificate: PathCertificate, path: readonly PathCertificate[], options: PathOptions, search: Search): void {
  const [anchor] = path;
  const isTrusted = (signer: PathCertificate): boolean => {
    if (anchor === undefined || search.pending.includes(signer) || search.pending.length >= maxSigners) return false;
    try {
      find(signer, [anchor], { at: options.at }, { ...search, pending: [...search.pending, signer] });
      return true;
    } catch (error) {
      if (error instanceof PathFault && error.code !== 'too_complex') return false;
      throw error;
    }
  };
  try {
    assertNotRevoked(certificate, { at: options.at, crls: search.crls, path, pool: search.pool, budget: search.budget, isTrusted });
  } catch (error) {
    if (search.required || !(error instanceof PathFault) || error.code !== 'revocation_unknown') throw error;
  }
}

function readable<T>(all: readonly Uint8Array[], read: (der: Uint8Array) => T): readonly T[] {
  return all.flatMap((der) => {
    try {
      return [read(der)];
    } catch (error) {
      if (error instanceof PathFault) return [];
      throw error;
    }
  });
}
