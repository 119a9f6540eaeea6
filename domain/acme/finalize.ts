import { CaError } from '../error.ts';
import type { CertificationRequest } from '../x509/csr.ts';
import { identifierKey, type Identifier } from './identifier.ts';

/**
 * Checks that a CSR asks for exactly the order's identifiers and nothing that a subscriber may not have (RFC 8555 §7.4).
 *
 * @throws {CaError} `badCsr`; the order stays ready
 */
export function assertCsrMatches(csr: CertificationRequest, identifiers: readonly Identifier[]): void {
  const wanted = new Set(identifiers.map(identifierKey));
  const asked = new Set<string>();
  for (const name of csr.subjectAltNames) {
    if (name.type !== 'dns' && name.type !== 'ip') throw new CaError('badCsr', 'the CSR names something besides dns names and addresses');
    const key = identifierKey(name);
    if (!wanted.has(key)) throw new CaError('badCsr', `the CSR names ${name.value.slice(0, 100)}, which the order does not have`);
    asked.add(key);
  }
  for (const name of csr.commonNames) {
    const keys = [`dns:${name.toLowerCase()}`, identifierKey({ type: 'ip', value: name })];
    const key = keys.find((candidate) => wanted.has(candidate));
    if (key === undefined) throw new CaError('badCsr', 'the common name is not an identifier of the order');
    asked.add(key);
  }
  const missing = identifiers.find((identifier) => !asked.has(identifierKey(identifier)));
  if (missing !== undefined) throw new CaError('badCsr', `the CSR does not name ${missing.value}`);
  if (csr.isCa) throw new CaError('badCsr', 'the CSR asks for a CA certificate');
}
