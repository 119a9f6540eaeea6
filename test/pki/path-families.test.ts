import fc from 'fast-check';
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { boolean, namedBits, nothing, sequence } from '#domain/asn1/der.ts';
import { writeExtension } from '#domain/x509/extension.ts';
import { Oid } from '#domain/x509/oids.ts';
import { validatePath, type PathResult } from '#domain/x509/path/validate.ts';
import { alternativeNames, dns, extendedKeyUsage, madeAt, make, printableName, type Made, type Recipe } from './made-certificate.ts';

const root = make({ subject: 'Root', ca: {} });
const names = [alternativeNames(dns('www.example.com'))];

function ask(chain: readonly Made[], anchors: readonly Made[] = [root], purposes?: readonly string[]): PathResult {
  const [leaf, ...authorities] = [...chain].reverse();
  if (leaf === undefined) throw new Error('an empty chain');
  return validatePath({
    certificate: leaf.der,
    intermediates: authorities.map(({ der }) => der),
    anchors: anchors.map(({ der }) => der),
    options: { at: madeAt, ...(purposes !== undefined && { purposes }) },
  });
}

/** A chain below an anchor, each made by a recipe. */
function chainOf(anchor: Made, ...recipes: readonly Recipe[]): Made[] {
  const chain: Made[] = [];
  for (const recipe of recipes) chain.push(make({ ...recipe, issuer: chain.at(-1) ?? anchor }));
  return chain;
}

const verdict = (result: PathResult): string => (result.valid ? 'valid' : result.code);

describe('path length (RFC 5280 §4.2.1.9)', () => {
  test('given any lengths and any self-issued CAs, then a path is valid exactly when no CA has more CAs below it than it allows', () => {
    const step = fc.record({ pathLength: fc.option(fc.nat(4), { nil: undefined }), selfIssued: fc.boolean() });
    fc.assert(
      fc.property(fc.option(fc.nat(4), { nil: undefined }), fc.array(step, { maxLength: 5 }), (rootLength, steps) => {
        const limited = (pathLength: number | undefined): { pathLength?: number } => (pathLength === undefined ? {} : { pathLength });
        const anchor = make({ subject: 'CA 0', ca: limited(rootLength) });
        let number = 0;
        const chain = chainOf(
          anchor,
          ...steps.map(({ pathLength, selfIssued }) => ({ subject: `CA ${selfIssued ? number : ++number}`, ca: limited(pathLength) })),
          { extensions: names },
        );
        const lengths = [rootLength, ...steps.map(({ pathLength }) => pathLength)];
        const expected = lengths.every(
          (length, index) => length === undefined || steps.slice(index).filter(({ selfIssued }) => !selfIssued).length <= length,
        );
        expect(verdict(ask(chain, [anchor]))).toBe(expected ? 'valid' : 'path_length');
      }),
      { numRuns: 150 },
    );
  });

  test('a CA that signs for itself as an end entity needs no length', () => {
    expect(verdict(ask(chainOf(root, { ca: { pathLength: 0 } }, { extensions: names })))).toBe('valid');
    expect(verdict(ask(chainOf(root, { ca: { pathLength: 0 } }, { ca: {} })))).toBe('valid');
    expect(verdict(ask(chainOf(root, { ca: { pathLength: 0 } }, { ca: {} }, { extensions: names })))).toBe('path_length');
  });
});

describe('what a CA must be (RFC 5280 §6.1.4 (k), (n))', () => {
  test.each<readonly [string, Recipe, string]>([
    ['no basic constraints', { extensions: [] }, 'not_a_ca'],
    ['CA FALSE', { extensions: [writeExtension(Oid.basicConstraints, true, sequence())] }, 'not_a_ca'],
    [
      'no keyCertSign',
      {
        extensions: [
          writeExtension(Oid.basicConstraints, true, sequence(boolean(true))),
          writeExtension(Oid.keyUsage, true, namedBits([6])),
        ],
      },
      'key_usage',
    ],
    ['no key usage at all', { extensions: [writeExtension(Oid.basicConstraints, true, sequence(boolean(true)))] }, 'valid'],
  ])('a CA with %s', (_what, recipe, expected) => {
    expect(verdict(ask(chainOf(root, recipe, { extensions: names })))).toBe(expected);
  });

  test('names chain without regard to case, white space and string type, and not otherwise', () => {
    const authority = make({ issuer: root, subject: printableName('An  Example CA '), ca: {} });
    const byAnotherSpelling = { ...authority, subject: make({ subject: 'an example ca' }).subject };
    expect(verdict(ask([authority, make({ issuer: byAnotherSpelling, extensions: names })]))).toBe('valid');
    const byAnotherName = { ...authority, subject: make({ subject: 'an examp le ca' }).subject };
    expect(verdict(ask([authority, make({ issuer: byAnotherName, extensions: names })]))).toBe('no_path');
  });

  test.each([-1, 0, 1])('validity ends with the second that notAfter names: %i', (seconds) => {
    const [authority, leaf] = chainOf(root, { ca: {} }, { extensions: names, notAfter: new Date(madeAt.getTime() + seconds * 1000) });
    expect(verdict(ask([authority!, leaf!]))).toBe(seconds < 0 ? 'expired' : 'valid');
  });

  test('an expired CA and an expired anchor refuse the path', () => {
    const expired = { notAfter: new Date(madeAt.getTime() - 1000) };
    expect(verdict(ask(chainOf(root, { ca: {}, ...expired }, { extensions: names })))).toBe('expired');
    const anchor = make({ ca: {}, ...expired });
    expect(verdict(ask(chainOf(anchor, { extensions: names }), [anchor]))).toBe('expired');
  });
});

describe('extended key usages nest', () => {
  const { serverAuth, clientAuth, emailProtection, anyExtendedKeyUsage } = Oid;
  test.each<readonly [string, readonly string[] | undefined, readonly string[] | undefined, readonly string[], string]>([
    ['no limits', undefined, undefined, [serverAuth], 'valid'],
    ['a CA for the purpose', [serverAuth, clientAuth], [serverAuth], [serverAuth], 'valid'],
    ['a CA for any purpose', [anyExtendedKeyUsage], [serverAuth], [serverAuth], 'valid'],
    ['a CA for another purpose', [emailProtection], [serverAuth], [serverAuth], 'extended_key_usage'],
    ['a leaf for another purpose', undefined, [clientAuth], [serverAuth], 'extended_key_usage'],
    ['one of two purposes', [serverAuth], [serverAuth, clientAuth], [serverAuth, clientAuth], 'extended_key_usage'],
    ['nobody asks', [emailProtection], [serverAuth], [], 'valid'],
  ])('%s', (_what, ca, leaf, purposes, expected) => {
    const with_ = (usages: readonly string[] | undefined): Buffer[] => (usages === undefined ? [] : [extendedKeyUsage(...usages)]);
    const chain = chainOf(root, { ca: {}, extensions: with_(ca) }, { ca: {} }, { extensions: [...names, ...with_(leaf)] });
    expect(verdict(ask(chain, [root], purposes))).toBe(expected);
  });
});

describe('unknown critical extensions (RFC 5280 §4.2)', () => {
  const unknown = (critical: boolean): Buffer => writeExtension('1.2.3.4.5', critical, nothing);
  test.each(['anchor', 'CA', 'end entity'] as const)('on the %s refuse the path when they are critical, and only then', (where) => {
    for (const critical of [true, false]) {
      const at = (place: string): Buffer[] => (place === where ? [unknown(critical)] : []);
      const anchor = make({ ca: {}, extensions: at('anchor') });
      const chain = chainOf(anchor, { ca: {}, extensions: at('CA') }, { extensions: [...names, ...at('end entity')] });
      expect(verdict(ask(chain, [anchor]))).toBe(critical ? 'unknown_critical_extension' : 'valid');
    }
  });

  test('an extension that is known and malformed refuses the certificate', () => {
    const chain = chainOf(root, { extensions: [writeExtension(Oid.subjectAltName, true, nothing)] });
    expect(verdict(ask(chain))).toBe('malformed');
  });
});

describe('keys and signatures', () => {
  test('a certificate that another key of the CA’s name signed is refused, and found again through the right one', () => {
    const [real, impostor] = [make({ issuer: root, subject: 'CA', ca: {} }), make({ issuer: root, subject: 'CA', ca: {} })];
    const leaf = make({ issuer: real, extensions: names });
    expect(verdict(ask([impostor, leaf]))).toBe('bad_signature');
    expect(verdict(ask([impostor, real, leaf]))).toBe('valid');
    expect(verdict(ask([real, impostor, leaf]))).toBe('valid');
  });

  test('a self-signed certificate that is not an anchor leads nowhere', () => {
    expect(verdict(ask([make({ subject: 'Root', ca: {} })]))).toBe('bad_signature');
    expect(verdict(ask([make({ ca: {} })]))).toBe('no_path');
  });

  test('an RSA key of 1024 bits signs nothing', () => {
    const weak = make({ subject: 'Weak', ca: {}, key: generateKeyPairSync('rsa', { modulusLength: 1024 }) });
    const leaf = make({ issuer: weak, extensions: names });
    expect(verdict(ask([leaf], [weak]))).toBe('weak_key');
  });

  test.each(['2048', '4096'])('an RSA key of %s bits signs', (bits) => {
    const anchor = make({ ca: {}, key: generateKeyPairSync('rsa', { modulusLength: Number(bits) }) });
    expect(verdict(ask([make({ issuer: anchor, extensions: names })], [anchor]))).toBe('valid');
  });

  test.each(['P-256', 'P-384', 'P-521'])('a key on %s signs', (namedCurve) => {
    const anchor = make({ ca: {}, key: generateKeyPairSync('ec', { namedCurve }) });
    expect(verdict(ask([make({ issuer: anchor, extensions: names })], [anchor]))).toBe('valid');
  });

  test('an Ed25519 key signs', () => {
    const anchor = make({ ca: {}, key: generateKeyPairSync('ed25519') });
    expect(verdict(ask([make({ issuer: anchor, extensions: names })], [anchor]))).toBe('valid');
  });
});
