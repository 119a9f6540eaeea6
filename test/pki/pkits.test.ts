import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { PathOptions } from '#domain/x509/path/state.ts';
import { validatePath, type PathResult } from '#domain/x509/path/validate.ts';

interface Case {
  readonly section: string;
  readonly title: string;
  readonly endEntity: string;
  readonly intermediates: readonly string[];
  readonly crls: readonly string[];
  readonly requireRevocationInfo: boolean;
  readonly valid: boolean;
}

const suite = new URL('../fixtures/pkits/', import.meta.url);
const read = (kind: 'certs' | 'crls', name: string): Buffer => readFileSync(new URL(`${kind}/${name}`, suite));
const cases = JSON.parse(readFileSync(new URL('cases.json', suite), 'utf8')) as readonly Case[];
const at = new Date('2020-01-01T00:00:00Z');

/** Sections whose verdict is not shared: every one needs DSA with SHA-1, which FIPS 186-5 withdrew and nothing here accepts. */
const departures = new Set(['4.1.4', '4.1.5']);

interface Material {
  readonly certificate: Buffer;
  readonly intermediates: readonly Buffer[];
  readonly crls: readonly Buffer[];
}

function materialOf(one: Case): Material {
  return {
    certificate: read('certs', one.endEntity),
    intermediates: one.intermediates.map((name) => read('certs', name)),
    crls: one.crls.map((name) => read('crls', name)),
  };
}

function decide(one: Case, material = materialOf(one), options: Partial<PathOptions> = {}): PathResult {
  return validatePath({
    certificate: material.certificate,
    intermediates: material.intermediates,
    anchors: [read('certs', 'TrustAnchorRootCertificate.crt')],
    options: { at, ...options },
    revocation: { crls: material.crls, required: one.requireRevocationInfo },
  });
}

/** The same bytes but for one in the middle of the signature, which ends a certificate and a CRL. */
function withAnotherSignature(der: Uint8Array): Buffer {
  const changed = Buffer.from(der);
  changed[changed.length - 128] = (changed[changed.length - 128] ?? 0) ^ 0x01;
  return changed;
}

const decided = cases.filter(({ section }) => !departures.has(section));
const valid = decided.filter((one) => one.valid);

describe('NIST PKITS', () => {
  test('given the suite, then it has all of its cases and the departures are among them', () => {
    expect(cases).toHaveLength(210);
    expect(cases.filter(({ section }) => departures.has(section))).toHaveLength(departures.size);
  });

  test.each(decided)('$section $title is decided as the suite says: $valid', (one) => {
    const result = decide(one);
    expect(result.valid, result.valid ? '' : result.detail).toBe(one.valid);
  });

  test.each(cases.filter(({ section }) => departures.has(section)))('$section $title is refused for its algorithm', (one) => {
    expect(decide(one)).toMatchObject({ valid: false, code: 'unsupported_algorithm' });
  });

  test.each(valid)('$section $title is refused when one byte of the signature of any certificate of its path changes', (one) => {
    const material = materialOf(one);
    const result = decide(one, material);
    if (!result.valid) throw new Error(result.detail);
    for (const der of result.path.slice(0, -1)) {
      const swap = (known: Buffer): Buffer => (known.equals(der) ? withAnotherSignature(known) : known);
      const changed = { ...material, certificate: swap(material.certificate), intermediates: material.intermediates.map(swap) };
      expect(decide(one, changed)).toMatchObject({ valid: false });
    }
  });

  test.each(valid.filter((one) => one.requireRevocationInfo))(
    '$section $title is refused when one byte of its CRLs’ signatures changes',
    (one) => {
      const material = materialOf(one);
      expect(decide(one, { ...material, crls: material.crls.map(withAnotherSignature) })).toMatchObject({ code: 'revocation_unknown' });
    },
  );
});

const policy = (number: number): string => `2.16.840.1.101.3.2.1.48.${number}`;
const explicit = { initialExplicitPolicy: true };
const accepting = (...numbers: readonly number[]): Partial<PathOptions> => ({ initialPolicies: numbers.map(policy) });

/** Further settings of the suite's document, whose verdicts `cases.json` does not hold. */
const settings: readonly (readonly [section: string, settings: Partial<PathOptions>, valid: boolean])[] = [
  ['4.1.1', explicit, true],
  ['4.1.1', { ...explicit, ...accepting(1) }, true],
  ['4.1.1', { ...explicit, ...accepting(2) }, false],
  ['4.1.1', { ...explicit, ...accepting(1, 2) }, true],
  ['4.8.2', explicit, false],
  ['4.8.3', explicit, false],
  ['4.8.3', { ...explicit, ...accepting(1, 2) }, false],
  ['4.8.6', accepting(1), true],
  ['4.8.6', accepting(2), false],
  ['4.8.10', accepting(1), true],
  ['4.8.10', accepting(2), true],
  ['4.8.11', accepting(1), true],
  ['4.8.13', accepting(1), true],
  ['4.8.13', accepting(2), true],
  ['4.8.13', accepting(3), true],
  ['4.8.14', accepting(1), true],
  ['4.8.14', accepting(2), false],
  ['4.12.3', { initialAnyPolicyInhibit: true }, false],
];

describe('NIST PKITS with other initial values', () => {
  test.each(settings)('%s with %j is decided as the document says: %s', (section, options, expected) => {
    const one = cases.find((candidate) => candidate.section === section);
    if (one === undefined) throw new Error(`no case ${section}`);
    const result = decide(one, materialOf(one), options);
    expect(result.valid, result.valid ? '' : result.detail).toBe(expected);
  });
});
