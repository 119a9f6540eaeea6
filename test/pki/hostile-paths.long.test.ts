import fc from 'fast-check';
import { sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bitString, explicit, integer, oid, sequence, time } from '#domain/asn1/der.ts';
import { writeExtension } from '#domain/x509/extension.ts';
import { writeName } from '#domain/x509/name.ts';
import { Oid } from '#domain/x509/oids.ts';
import { validatePath, type PathQuestion, type PathResult } from '#domain/x509/path/validate.ts';
import { mutatedBytes } from '../mutated-bytes.ts';
import {
  alternativeNames,
  directory,
  dns,
  madeAt,
  make,
  nameConstraints,
  policies,
  policyMappings,
  type Made,
} from './made-certificate.ts';

const root = make({ subject: 'Root', ca: {} });
const options = { at: madeAt };

function ask(leaf: Made, authorities: readonly Made[], more: Partial<PathQuestion> = {}): PathResult {
  return validatePath({ certificate: leaf.der, intermediates: authorities.map(({ der }) => der), anchors: [root.der], options, ...more });
}

/** Generous: the point is that nothing grows without bound. */
const within = 10_000;

describe('pathological sizes', () => {
  test('two hundred CAs of one name and no way up end as too complex', { timeout: within }, () => {
    const lost = make({ subject: 'Lost', ca: {} });
    const loop = Array.from({ length: 200 }, () =>
      make({ issuer: { ...lost, subject: make({ subject: 'Loop' }).subject }, subject: 'Loop', ca: {} }),
    );
    expect(ask(make({ issuer: loop[0]! }), loop)).toMatchObject({ valid: false, code: 'too_complex' });
  });

  test('two hundred impostors of the CA’s name do not hide the one that signed, when its key is named', { timeout: within }, () => {
    const impostors = Array.from({ length: 200 }, () => make({ issuer: root, subject: 'CA', ca: {} }));
    const real = make({ issuer: root, subject: 'CA', ca: {} });
    expect(ask(make({ issuer: real }), [...impostors, real])).toMatchObject({ valid: true });
  });

  test('a chain of seventeen CAs is longer than any in use; sixteen are found', { timeout: within }, () => {
    const chain: Made[] = [];
    for (let i = 0; i < 17; i++) chain.push(make({ issuer: chain.at(-1) ?? root, ca: {} }));
    expect(ask(make({ issuer: chain[15]! }), chain)).toMatchObject({ valid: true });
    expect(ask(make({ issuer: chain[16]! }), chain)).toMatchObject({ valid: false, code: 'no_path' });
  });

  test('a thousand names against a thousand subtrees are not all compared', { timeout: within }, () => {
    const subtrees = Array.from({ length: 1000 }, (_, index) => dns(`s${index}.example`));
    const authority = make({ issuer: root, ca: {}, extensions: [nameConstraints([], subtrees)] });
    const many = make({ issuer: authority, extensions: [alternativeNames(...Array.from({ length: 1000 }, (_, i) => dns(`n${i}.test`)))] });
    expect(ask(many, [authority])).toMatchObject({ valid: false, code: 'too_complex' });
    const few = make({ issuer: authority, extensions: [alternativeNames(...Array.from({ length: 100 }, (_, i) => dns(`n${i}.test`)))] });
    expect(ask(few, [authority])).toMatchObject({ valid: true });
  });

  test('policies that map each to each on every level do not multiply (RFC 9618 §4)', { timeout: within }, () => {
    const all = Array.from({ length: 30 }, (_, index) => `1.3.6.1.4.1.99999.${index}`);
    const mappings = all.flatMap((from) => all.map((to) => [from, to] as const));
    const chain: Made[] = [];
    for (let i = 0; i < 12; i++)
      chain.push(make({ issuer: chain.at(-1) ?? root, ca: {}, extensions: [policies(...all), policyMappings(...mappings)] }));
    const leaf = make({ issuer: chain.at(-1)!, extensions: [policies(...all)] });
    expect(ask(leaf, chain, { options: { ...options, initialExplicitPolicy: true } })).toMatchObject({
      valid: true,
      policies: new Set(all),
    });
  });

  test('a certificate of more than 64 KiB and a pool of thousands are refused unread', { timeout: within }, () => {
    const huge = make({ issuer: root, extensions: [writeExtension('1.2.3', false, Buffer.alloc(70_000))] });
    expect(ask(huge, [])).toMatchObject({ code: 'malformed' });
    expect(ask(make({ issuer: root }), Array<Made>(3000).fill(root))).toMatchObject({ code: 'too_complex' });
  });

  test('a CRL of a hundred thousand entries answers', { timeout: 30_000 }, () => {
    const leaf = make({ issuer: root, serial: 0xabcdefn });
    const entry = (serial: number): Buffer => sequence(integer(serial), time(new Date('2025-06-01')));
    const crl = (serials: readonly number[]): Buffer => {
      const algorithm = sequence(oid(Oid.ecdsaSha256));
      const tbs = sequence(
        integer(1), algorithm, root.subject, time(new Date('2025-12-01')), time(new Date('2026-12-01')), sequence(Buffer.concat(serials.map(entry))),
        explicit(0, sequence(writeExtension(Oid.cRLNumber, false, integer(1)))),
      ); // prettier-ignore
      return sequence(tbs, algorithm, bitString(sign('sha256', tbs, root.key)));
    };
    const serials = Array.from({ length: 100_000 }, (_, index) => index + 1);
    expect(ask(leaf, [], { revocation: { crls: [crl(serials)], required: true } })).toMatchObject({ valid: true });
    expect(ask(leaf, [], { revocation: { crls: [crl([...serials, 0xabcdef])], required: true } })).toMatchObject({ code: 'revoked' });
  });
});

describe('hostile bytes', () => {
  const authority = make({
    issuer: root,
    ca: {},
    extensions: [nameConstraints([dns('example.com'), directory('Example')]), policies('1.2.3')],
  });
  const subject = writeName({ organization: 'Example', commonName: 'Somebody' });
  const leaf = make({ issuer: authority, subject, extensions: [alternativeNames(dns('www.example.com')), policies('1.2.3')] });
  const crl = readFileSync(new URL('../fixtures/pkits/crls/indirectCRLCA3cRLIssuerCRL.crl', import.meta.url));

  test('given what nobody changed, then the answer is yes', () => {
    expect(ask(leaf, [authority])).toMatchObject({ valid: true });
  });

  test('given any change of the end entity, then the answer is no, and is an answer', () => {
    fc.assert(
      fc.property(mutatedBytes(leaf.der), (der) => {
        fc.pre(!der.equals(leaf.der));
        expect(ask({ ...leaf, der }, [authority]).valid).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  test('given any change of the CA, then the answer is no, and is an answer', () => {
    fc.assert(
      fc.property(mutatedBytes(authority.der), (der) => {
        fc.pre(!der.equals(authority.der));
        expect(ask(leaf, [{ ...authority, der }]).valid).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  test('given any change of a CRL, then there is an answer', () => {
    fc.assert(
      fc.property(mutatedBytes(crl), (der) => {
        expect(ask(leaf, [authority], { revocation: { crls: [der], required: true } })).toMatchObject({ code: 'revocation_unknown' });
      }),
      { numRuns: 2000 },
    );
  });

  test('given noise, then every part of a question is refused or passed over', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(validatePath({ certificate: noise, intermediates: [noise], anchors: [root.der], options }).valid).toBe(false);
        expect(validatePath({ certificate: leaf.der, intermediates: [authority.der], anchors: [noise], options }).valid).toBe(false);
        expect(ask(leaf, [authority], { intermediates: [noise, authority.der] }).valid).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
