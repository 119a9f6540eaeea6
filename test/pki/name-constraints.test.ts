import { describe, expect, test } from 'vitest';
import { validatePath, type PathResult } from '#domain/x509/path/validate.ts';
import {
  alternativeNames, directory, dns, email, ip, madeAt, make, nameConstraints, otherName, registeredId, upn, uri, type Made,
} from './made-certificate.ts'; // prettier-ignore

const root = make({ subject: 'Root', ca: {} });

/** Decides about a leaf with these names under a chain of CAs with these constraints. */
function decide(
  constraints: readonly Buffer[],
  leaf: { readonly names?: readonly Buffer[]; readonly subject?: string | Buffer },
): PathResult {
  const authorities: Made[] = [];
  for (const constraint of constraints) authorities.push(make({ issuer: authorities.at(-1) ?? root, ca: {}, extensions: [constraint] }));
  const { der } = make({
    issuer: authorities.at(-1) ?? root,
    ...(leaf.subject !== undefined && { subject: leaf.subject }),
    extensions: leaf.names === undefined ? [] : [alternativeNames(...leaf.names)],
  });
  return validatePath({
    certificate: der,
    intermediates: authorities.map((made) => made.der),
    anchors: [root.der],
    options: { at: madeAt },
  });
}

const emptyName = Buffer.from([0x30, 0x00]);
const inside = 'inside';
const outside = 'outside';
/** Nobody can say: the certificate is refused whether the subtree is permitted or excluded. */
const unknown = 'unknown';

const v6 = (head: number, ...tail: number[]): number[] => [
  0x20,
  0x01,
  0x0d,
  0xb8,
  head,
  ...Array<number>(11 - tail.length).fill(0),
  ...tail,
];
const v6Mask = [255, 255, 255, 255, 255, ...Array<number>(11).fill(0)];

const relations: readonly (readonly [base: string, name: string, relation: string, subtree: Buffer, value: Buffer])[] = [
  ['dNSName example.com', 'example.com', inside, dns('example.com'), dns('example.com')],
  ['dNSName example.com', 'WWW.Example.COM', inside, dns('example.com'), dns('WWW.Example.COM')],
  ['dNSName example.com', 'a.b.example.com', inside, dns('example.com'), dns('a.b.example.com')],
  ['dNSName example.com', '*.example.com', inside, dns('example.com'), dns('*.example.com')],
  ['dNSName example.com', 'notexample.com', outside, dns('example.com'), dns('notexample.com')],
  ['dNSName example.com', 'example.com.evil', outside, dns('example.com'), dns('example.com.evil')],
  ['dNSName www.example.com', 'example.com', outside, dns('www.example.com'), dns('example.com')],
  ['dNSName of all', 'anything.test', inside, dns(''), dns('anything.test')],
  ['dNSName example.com', 'a name with spaces', unknown, dns('example.com'), dns('not a name.example.com')],
  ['dNSName example.com', 'a trailing dot', unknown, dns('example.com'), dns('www.example.com.')],
  ['rfc822Name mailbox', 'the same mailbox', inside, email('joe@example.com'), email('joe@EXAMPLE.com')],
  ['rfc822Name mailbox', 'another case of the local part', outside, email('joe@example.com'), email('Joe@example.com')],
  ['rfc822Name host', 'a mailbox there', inside, email('example.com'), email('joe@example.com')],
  ['rfc822Name host', 'a mailbox below', outside, email('example.com'), email('joe@mail.example.com')],
  ['rfc822Name domain', 'a mailbox below', inside, email('.example.com'), email('joe@mail.example.com')],
  ['rfc822Name domain', 'a mailbox at the domain itself', outside, email('.example.com'), email('joe@example.com')],
  ['rfc822Name host', 'no mailbox', unknown, email('example.com'), email('example.com')],
  ['URI host', 'the host with a port', inside, uri('www.example.com'), uri('https://user@www.example.com:8443/x?y')],
  ['URI host', 'a host below', outside, uri('example.com'), uri('https://www.example.com/')],
  ['URI domain', 'a host below', inside, uri('.example.com'), uri('ldap://www.EXAMPLE.com')],
  ['URI domain', 'the domain itself', outside, uri('.example.com'), uri('https://example.com/')],
  ['URI host', 'an address', unknown, uri('example.com'), uri('https://192.0.2.1/')],
  ['URI host', 'no authority', unknown, uri('example.com'), uri('urn:uuid:1')],
  ['URI host', 'user info that looks like the host', outside, uri('example.com'), uri('https://example.com@evil.test/')],
  ['iPAddress v4', 'an address inside', inside, ip(192, 0, 2, 0, 255, 255, 255, 0), ip(192, 0, 2, 77)],
  ['iPAddress v4', 'an address outside', outside, ip(192, 0, 2, 0, 255, 255, 255, 0), ip(192, 0, 3, 1)],
  ['iPAddress v4 of all', 'an address', inside, ip(0, 0, 0, 0, 0, 0, 0, 0), ip(198, 51, 100, 1)],
  ['iPAddress v4', 'a v6 address', outside, ip(0, 0, 0, 0, 0, 0, 0, 0), ip(...v6(1, 1))],
  ['iPAddress v6', 'an address inside', inside, ip(...v6(1), ...v6Mask), ip(...v6(1, 9))],
  ['iPAddress v6', 'an address outside', outside, ip(...v6(1), ...v6Mask), ip(...v6(2, 9))],
  ['directoryName', 'a name below', inside, directory('Example'), directory('Example', 'Somebody')],
  ['directoryName', 'the same in another case and spacing', inside, directory('Example  Ltd'), directory(' EXAMPLE ltd ', 'X')],
  ['directoryName', 'another name', outside, directory('Example'), directory('Another', 'Somebody')],
  ['UPN host', 'a user there', inside, upn('corp.example'), upn('joe@corp.example')],
  ['UPN host with @', 'a user there', inside, upn('@corp.example'), upn('joe@CORP.example')],
  ['UPN domain', 'a user below', inside, upn('.corp.example'), upn('joe@eu.corp.example')],
  ['UPN host', 'a user elsewhere', outside, upn('corp.example'), upn('joe@evil.example')],
  ['UPN host', 'no user', unknown, upn('corp.example'), upn('joe')],
  ['another otherName', 'a name of that kind', unknown, otherName('1.2.3.4', 'x'), otherName('1.2.3.4', 'x')],
  ['registeredID', 'a name of that kind', unknown, registeredId('1.2.3'), registeredId('1.2.3')],
];

describe('name constraints of each kind (RFC 5280 §4.2.1.10)', () => {
  // A directory name is judged alone when the subject is empty, as every other.
  test.each(relations)('permitted %s, given %s, which is %s', (_base, _name, relation, subtree, value) => {
    const result = decide([nameConstraints([subtree])], { names: [value], subject: emptyName });
    expect(result.valid ? 'valid' : result.code).toBe(relation === inside ? 'valid' : 'name_constraint_violation');
  });

  test.each(relations)('excluded %s, given %s, which is %s', (_base, _name, relation, subtree, value) => {
    const result = decide([nameConstraints([], [subtree])], { names: [value], subject: emptyName });
    expect(result.valid ? 'valid' : result.code).toBe(relation === outside ? 'valid' : 'name_constraint_violation');
  });

  test.each(relations)('permitted %s says nothing of names of other forms', (_base, _name, _relation, subtree) => {
    const other = subtree[0] === 0x82 ? email('joe@example.org') : dns('host.example.org');
    expect(decide([nameConstraints([subtree])], { names: [other], subject: emptyName })).toMatchObject({ valid: true });
  });

  test('a wildcard is excluded when one of its hosts is, and permitted only when all are', () => {
    const wildcard = { names: [dns('*.example.com')] };
    expect(decide([nameConstraints([], [dns('www.example.com')])], wildcard)).toMatchObject({ code: 'name_constraint_violation' });
    expect(decide([nameConstraints([dns('www.example.com')])], wildcard)).toMatchObject({ code: 'name_constraint_violation' });
    expect(decide([nameConstraints([], [dns('a.www.example.com')])], wildcard)).toMatchObject({ valid: true });
  });

  test('each CA narrows what the ones above it left, and none widens it', () => {
    const wide = nameConstraints([dns('example.com'), dns('example.org')]);
    const narrow = nameConstraints([dns('www.example.com'), dns('example.net')]);
    expect(decide([wide, narrow], { names: [dns('www.example.com')] })).toMatchObject({ valid: true });
    for (const name of ['mail.example.com', 'example.org', 'example.net'])
      expect(decide([wide, narrow], { names: [dns(name)] }), name).toMatchObject({ code: 'name_constraint_violation' });
    expect(
      decide([nameConstraints([], [dns('x.example')]), nameConstraints([dns('x.example')])], { names: [dns('x.example')] }),
    ).toMatchObject({
      code: 'name_constraint_violation',
    });
  });

  test('one bad name among many refuses the certificate', () => {
    const names = [...Array.from({ length: 50 }, (_, index) => dns(`h${index}.example.com`)), dns('evil.test')];
    expect(decide([nameConstraints([dns('example.com')])], { names })).toMatchObject({ code: 'name_constraint_violation' });
  });

  test('a common name that looks like a host counts as one where no alternative name does', () => {
    const constraint = [nameConstraints([dns('example.com')])];
    expect(decide(constraint, { subject: 'evil.test' })).toMatchObject({ code: 'name_constraint_violation' });
    expect(decide(constraint, { subject: 'www.example.com' })).toMatchObject({ valid: true });
    expect(decide(constraint, { subject: 'Somebody. Somewhere' })).toMatchObject({ valid: true });
  });

  test('a self-issued CA is not bound by the names, an end entity of the same name is', () => {
    const constrained = make({ issuer: root, subject: 'Old and new', ca: {}, extensions: [nameConstraints([directory('Elsewhere')])] });
    const rolled = make({ issuer: constrained, subject: 'Old and new', ca: {} });
    const leaf = (issuer: Made, subject: Buffer | string): Buffer =>
      make({ issuer, subject, extensions: [alternativeNames(dns('a.test'))] }).der;
    const question = { intermediates: [constrained.der, rolled.der], anchors: [root.der], options: { at: madeAt } };
    expect(validatePath({ ...question, certificate: leaf(rolled, emptyName) })).toMatchObject({ valid: true });
    expect(validatePath({ ...question, certificate: leaf(constrained, 'Old and new') })).toMatchObject({
      code: 'name_constraint_violation',
    });
  });

  test.each([
    ['a leading dot in a dNSName', dns('.example.com')],
    ['a mask with a hole', ip(192, 0, 2, 0, 255, 0, 255, 0)],
    ['an address without a mask', ip(192, 0, 2, 0)],
    ['a base that is no host', email('not a host')],
  ])('%s makes the CA unusable', (_what, subtree) => {
    expect(decide([nameConstraints([subtree])], { names: [dns('www.example.com')] })).toMatchObject({ valid: false });
    expect(decide([nameConstraints([], [subtree])], { names: [dns('www.example.com')] })).toMatchObject({ valid: false });
  });

  test('the anchor’s own constraints hold (RFC 5937 §3.2)', () => {
    const anchor = make({ subject: 'Constrained root', ca: {}, extensions: [nameConstraints([dns('example.com')])] });
    const leaf = (name: string): Buffer => make({ issuer: anchor, extensions: [alternativeNames(dns(name))] }).der;
    const ask = (name: string): PathResult =>
      validatePath({ certificate: leaf(name), intermediates: [], anchors: [anchor.der], options: { at: madeAt } });
    expect(ask('www.example.com')).toMatchObject({ valid: true });
    expect(ask('www.example.org')).toMatchObject({ code: 'name_constraint_violation' });
  });
});
