import { describe, expect, test } from 'vitest';
import { parseSubtree, subtreeText } from '#domain/x509/path/subtree-text.ts';
import { Oid } from '#domain/x509/oids.ts';
import { validatePath } from '#domain/x509/path/validate.ts';
import { daySeconds, host, madeNow, makeLeaf, makeRoot, makeSubordinate } from './made-hierarchy.ts';

const refusal = (code: string, detail: RegExp) => ({ code, message: expect.stringMatching(detail) as unknown });
const texts = (subtrees: readonly Parameters<typeof subtreeText>[0][]): string[] => subtrees.map(subtreeText).sort();

describe('path length over the ancestry (RFC 5280 §4.2.1.9)', () => {
  test('given a parent of 2, then a child that says nothing gets 1', async () => {
    expect((await makeSubordinate(await makeRoot({ pathLength: 2 }), 'Child')).terms.pathLength).toBe(1);
  });
  test('given a parent of 2, then a child may not have 2', async () => {
    await expect(makeSubordinate(await makeRoot({ pathLength: 2 }), 'Child', { pathLength: 2 })).rejects.toMatchObject(
      refusal('hierarchyViolation', /path length exceeded/),
    );
  });
  test('given a parent of 0, then there is no child at all', async () => {
    await expect(makeSubordinate(await makeRoot({ pathLength: 0 }), 'Child')).rejects.toMatchObject(
      refusal('hierarchyViolation', /path length exceeded/),
    );
  });
  test('given a parent without one, then a child is free, and warned when it is odd', async () => {
    const root = await makeRoot();
    expect((await makeSubordinate(root, 'Free')).terms.pathLength).toBeUndefined();
    expect((await makeSubordinate(root, 'Odd', { pathLength: 6 })).terms.warnings).toHaveLength(1);
  });
  test('given a grandparent of 2 and a parent that says nothing of its own, then the grandparent counts', async () => {
    const { authority } = await makeSubordinate(await makeRoot({ pathLength: 2 }), 'Policy');
    const { authority: issuing, terms } = await makeSubordinate(authority, 'Issuing');
    expect(terms.pathLength).toBe(0);
    await expect(makeSubordinate(issuing, 'Too deep')).rejects.toMatchObject(refusal('hierarchyViolation', /path length exceeded/));
  });
});

describe('name constraints over the ancestry (RFC 5280 §4.2.1.10)', () => {
  test.each([
    ['a.trading.finco.example', true],
    ['trading.finco.example', true],
    ['TRADING.FINCO.EXAMPLE', true],
    ['.trading.finco.example', true],
    ['trading.finco.example.', true],
    ['eviltrading.finco.example', false],
    ['finco.example', false],
    ['trading.finco.example.evil.test', false],
  ])('under permitted trading.finco.example, may a child have %s? %s', async (permitted, allowed) => {
    const made = makeSubordinate(await makeRoot({ permitted: ['trading.finco.example'] }), 'Child', { permitted: [permitted] });
    if (allowed) expect((await made).terms.nameConstraints.permitted).toHaveLength(1);
    else await expect(made).rejects.toMatchObject(refusal('hierarchyViolation', /^name_constraint_violation: /));
  });

  test.each([
    ['email:.example.com', 'email:joe@mail.example.com', 'email:example.com'],
    ['uri:.example.com', 'uri:www.example.com', 'uri:example.org'],
    ['ip:10.0.0.0/8', 'ip:10.1.0.0/16', 'ip:11.0.0.0/8'],
    ['ip:2001:db8::/32', 'ip:2001:db8:1::/48', 'ip:2001:db9::/32'],
    ['dn:O=Example', 'dn:O=example,OU=Unit', 'dn:O=Other'],
    ['upn:.corp.example', 'upn:eu.corp.example', 'upn:@evil.example'],
    ['dns:bücher.example', 'dns:www.xn--bcher-kva.example', 'dns:bucher.example'],
  ])('%s holds %s and not %s', async (outer, inner, other) => {
    const root = await makeRoot({ permitted: [outer] });
    expect(texts((await makeSubordinate(root, 'Child', { permitted: [inner] })).terms.nameConstraints.permitted)).toEqual(
      texts([parseSubtree(inner)]),
    );
    await expect(makeSubordinate(root, 'Child', { permitted: [other] })).rejects.toMatchObject(refusal('hierarchyViolation', /not within/));
  });

  test('given an exclusion above and a child that says nothing, then the child inherits it', async () => {
    const { terms, authority } = await makeSubordinate(await makeRoot({ excluded: ['x.example'] }), 'Child');
    expect(texts(terms.nameConstraints.excluded)).toEqual(['dns:x.example']);
    await expect(makeLeaf(authority, [host('www.x.example')])).rejects.toMatchObject(refusal('nameConstraintViolation', /excluded/));
  });

  test('given a form that a child leaves out, then it inherits that form and keeps its own', async () => {
    const root = await makeRoot({ permitted: ['example.com', 'ip:10.0.0.0/8'] });
    const { terms } = await makeSubordinate(root, 'Child', { permitted: ['www.example.com'] });
    expect(texts(terms.nameConstraints.permitted)).toEqual(['dns:www.example.com', 'ip:10.0.0.0/8']);
  });

  test('given a grandparent that permits less than the parent says, then the grandparent counts', async () => {
    const root = await makeRoot({ permitted: ['example.com', 'example.org'] });
    const { authority } = await makeSubordinate(root, 'Policy', { permitted: ['example.com'] });
    await expect(makeSubordinate(authority, 'Issuing', { permitted: ['example.org'] })).rejects.toMatchObject(
      refusal('hierarchyViolation', /not within/),
    );
  });

  test('given an exclusion of a whole form, then no child permits anything of it; given one of a part, then a warning', async () => {
    await expect(
      makeSubordinate(await makeRoot({ excluded: ['ip:0.0.0.0/0'] }), 'Child', { permitted: ['ip:10.0.0.0/8'] }),
    ).rejects.toMatchObject(refusal('hierarchyViolation', /excluded by a CA above/));
    const { terms } = await makeSubordinate(await makeRoot({ excluded: ['bad.example.com'] }), 'Child', { permitted: ['example.com'] });
    expect(terms.warnings).toEqual(['dns:example.com is permitted and partly excluded']);
  });

  test.each(['not a host', 'ip:10.0.0.1/8', 'ip:10.0.0.0', 'dn:Example', 'email:joe@', 'dns:http://x'])('%s is no subtree', (text) => {
    expect(() => parseSubtree(text)).toThrow(expect.objectContaining({ code: 'malformed' }));
  });
});

describe('validity, usages and policies nest', () => {
  test('given a life beyond the parent’s, then it ends with the parent', async () => {
    const notAfter = new Date(madeNow + 100 * daySeconds * 1000);
    const { terms, authority } = await makeSubordinate(await makeRoot({ notAfter }), 'Child', { ttlSeconds: 365 * daySeconds });
    expect(terms.notAfter).toEqual(notAfter);
    const leaf = await makeLeaf(authority, [host('a.test')], { validitySeconds: 365 * daySeconds });
    expect(
      validatePath({ certificate: leaf, intermediates: authority.path, anchors: [authority.path[0]!], options: { at: notAfter } }).valid,
    ).toBe(true);
  });

  test('given less than a day of the parent’s life, then there is no child; given none, no leaf either', async () => {
    const root = await makeRoot({ notAfter: new Date(madeNow + 3_600_000) });
    await expect(makeSubordinate(root, 'Child')).rejects.toMatchObject(refusal('hierarchyViolation', /less than a day/));
    await makeLeaf(root, [host('a.test')]);
    await expect(makeLeaf(root, [host('a.test')], {}, madeNow + 7_200_000)).rejects.toMatchObject(refusal('unavailable', /not valid now/));
  });

  test('given a CA for servers, then neither a CA nor a leaf for mail below it', async () => {
    const { authority } = await makeSubordinate(await makeRoot(), 'Servers', { extendedKeyUsages: [Oid.serverAuth] });
    expect((await makeSubordinate(authority, 'Below')).terms.extendedKeyUsages).toEqual([Oid.serverAuth]);
    await expect(makeSubordinate(authority, 'Mail', { extendedKeyUsages: [Oid.emailProtection] })).rejects.toMatchObject(
      refusal('hierarchyViolation', /extended_key_usage/),
    );
    await makeLeaf(authority, [host('a.test')]);
    await expect(makeLeaf(authority, [host('a.test')], { extendedKeyUsages: ['clientAuth'] })).rejects.toMatchObject(
      refusal('policyViolation', /extended_key_usage/),
    );
  });

  test('given policies above, then a child asserts some of them and no others', async () => {
    const { authority } = await makeSubordinate(await makeRoot(), 'Policy', { policies: ['1.3.6.1.4.1.99999.1', '1.3.6.1.4.1.99999.2'] });
    await makeSubordinate(authority, 'Issuing', { policies: ['1.3.6.1.4.1.99999.2'] });
    await expect(makeSubordinate(authority, 'Other', { policies: ['1.3.6.1.4.1.99999.3'] })).rejects.toMatchObject(
      refusal('hierarchyViolation', /policy: /),
    );
  });
});

test('a leaf outside of what any CA above permits is refused before the key signs', async () => {
  const { authority: policy } = await makeSubordinate(await makeRoot({ excluded: ['secret.example.com'] }), 'Policy', {
    permitted: ['example.com'],
  });
  const { authority } = await makeSubordinate(policy, 'Issuing');
  let signatures = 0;
  const counting = { ...authority, signer: { ...authority.signer, sign: (tbs: Uint8Array) => (signatures++, authority.signer.sign(tbs)) } };
  await makeLeaf(counting, [host('www.example.com'), host('*.example.com')].slice(0, 1));
  expect(signatures).toBe(1);
  for (const names of [
    [host('www.example.org')],
    [host('www.example.com'), host('evil.test')],
    [host('secret.example.com')],
    [host('*.example.com'), host('www.secret.example.com')],
    [host('*.example.com')],
  ])
    await expect(makeLeaf(counting, names), JSON.stringify(names)).rejects.toMatchObject(
      refusal('nameConstraintViolation', /name_constraint/),
    );
  expect(signatures).toBe(1);
});
