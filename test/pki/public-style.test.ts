import { expect, test } from 'vitest';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { policiesOf } from '#domain/x509/lint-rules/facts.ts';
import { keptProfile, type Profile } from '#domain/issuance/profile.ts';
import { Oid } from '#domain/x509/oids.ts';
import { daySeconds, host, madeNow, madeProfile, makeLeaf, makeRoot, makeSubordinate } from './made-hierarchy.ts';

const web: Partial<Profile> = { requirements: 'cabf_tls_br', policies: [Oid.domainValidated], validitySeconds: 198 * daySeconds };
const issuing = async () => (await makeSubordinate(await makeRoot(), 'Issuing')).authority;
const daysOf = (der: Buffer): number => {
  const { notBefore, notAfter } = parseCertificate(der);
  return (notAfter.getTime() - notBefore.getTime() + 1000) / 1000 / daySeconds;
};

test('a certificate of a public-style profile asserts its policies', async () => {
  const leaf = await makeLeaf(await issuing(), [host('www.example.com')], web);
  expect(policiesOf(parseCertificate(leaf))).toEqual([Oid.domainValidated]);
});

test.each([
  [Date.UTC(2026, 10, 25), 198],
  [Date.UTC(2027, 2, 14, 23, 59, 59), 198],
  [Date.UTC(2027, 2, 15), 100],
  [Date.UTC(2029, 2, 15), 47],
])('issued at %i, a life that the profile would let be 198 days is %i days (BR §6.3.2)', async (now, days) => {
  expect(daysOf(await makeLeaf(await issuing(), [host('www.example.com')], web, now))).toBe(days);
});

test('a profile of our own keeps its life whatever the day', async () => {
  expect(daysOf(await makeLeaf(await issuing(), [host('www.corp.internal')], { validitySeconds: 300 * daySeconds }))).toBe(300);
});

test.each([
  ['rejectedIdentifier', host('www.corp.internal'), {}],
  ['rejectedIdentifier', host('*.com'), {}],
  ['rejectedIdentifier', { type: 'ip', value: '192.168.0.1' } as const, {}],
  ['rejectedIdentifier', { type: 'uri', value: 'spiffe://corp/a' } as const, {}],
  ['internal', host('www.example.com'), { policies: [] }],
  ['internal', host('www.example.com'), { extendedKeyUsages: ['clientAuth'] as const }],
])('%s: nothing is signed that the public web would refuse', async (code, name, more) => {
  await expect(makeLeaf(await issuing(), [name], { ...web, ...more })).rejects.toMatchObject({ code });
});

test('a CA that asserts a reserved policy needs what the Forum wants of one', async () => {
  const root = await makeRoot();
  await expect(makeSubordinate(root, 'Public', { policies: [Oid.domainValidated] })).rejects.toMatchObject({
    code: 'hierarchyViolation',
    message: expect.stringContaining('br_ca_') as unknown,
  });
});

test('a profile that was kept before there were requirements has none', () => {
  const { requirements: _r, policies: _p, ...old } = madeProfile;
  expect(keptProfile(JSON.parse(JSON.stringify(old)))).toMatchObject({ requirements: 'rfc5280', policies: [], id: 'test' });
  expect(keptProfile({ ...madeProfile, ...web })).toMatchObject(web);
  expect(madeNow).toBeLessThan(Date.UTC(2027, 2, 15));
});
