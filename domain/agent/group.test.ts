import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ipOctets, ipText } from '../x509/ip-address.ts';
import { isVersionRange, membershipIn, type Groupable, type GroupCriteria } from './group.ts';

const asksNothing: GroupCriteria = { os: undefined, architecture: undefined, ipRange: undefined, versionRange: undefined };
const nobody = { included: new Set<string>(), excluded: new Set<string>() };
const host: Groupable = { id: 'agent-1', os: 'linux', architecture: 'x64', version: '1.4.2', ipAddress: '10.1.2.3' };
const judge = (criteria: Partial<GroupCriteria>, agent: Partial<Groupable> = {}): string | undefined =>
  membershipIn({ ...asksNothing, ...criteria }, nobody)({ ...host, ...agent });

const octets = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const textOf = (bytes: Uint8Array): string => ipText(bytes) ?? '';
const criterion = <T>(values: readonly T[]): fc.Arbitrary<T | undefined> => fc.option(fc.constantFrom(...values), { nil: undefined });
const criteria = fc.record({
  os: criterion(['linux', 'windows']),
  architecture: criterion(['x64', 'arm64']),
  ipRange: criterion(['10.0.0.0/8', '10.1.2.0/24', '2001:db8::/32']),
  versionRange: criterion(['>=1.2 <2', '^1.4', '<1']),
});
const agents = fc.record({
  id: fc.constantFrom('agent-1', 'agent-2', 'agent-3'),
  os: fc.constantFrom('linux', 'windows'),
  architecture: fc.constantFrom('x64', 'arm64'),
  version: fc.constantFrom('0.9.0', '1.3.0', '1.4.9', '2.0.0', '', 'unknown'),
  ipAddress: fc.option(fc.constantFrom('10.1.2.3', '10.9.9.9', '192.0.2.1', '2001:db8::1', '2001:db9::1'), { nil: undefined }),
});
const words = fc.record({
  included: fc.array(fc.constantFrom('agent-1', 'agent-2')).map((ids) => new Set<string>(ids)),
  excluded: fc.array(fc.constantFrom('agent-2', 'agent-3')).map((ids) => new Set<string>(ids)),
});

describe('who belongs to a group', () => {
  test.each([
    ['the operating system', { os: 'linux' }, { os: 'windows' }],
    ['the architecture', { architecture: 'x64' }, { architecture: 'arm64' }],
    ['the range of addresses', { ipRange: '10.0.0.0/8' }, { ipAddress: '11.1.2.3' }],
    ['the range of addresses, in IPv6', { ipRange: '10.0.0.0/8' }, { ipAddress: '2001:db8::1' }],
    ['the range of addresses, without one', { ipRange: '10.0.0.0/8' }, { ipAddress: undefined }],
    ['the range of versions', { versionRange: '>=1.2 <2' }, { version: '2.0.0' }],
    ['the range of versions, without one', { versionRange: '*' }, { version: '' }],
  ])('given %s, who meets it and nobody else', (_, asked, other) => {
    expect([judge(asked), judge(asked, other)]).toEqual(['matched', undefined]);
  });

  test('given a group that asks nothing, only whom people put there', () => {
    expect(judge({})).toBeUndefined();
    expect(membershipIn(asksNothing, { included: new Set(['agent-1']), excluded: new Set() })(host)).toBe('included');
  });

  test('given an IPv4 address as an IPv6 socket shows it, it is the IPv4 address', () => {
    expect(judge({ ipRange: '10.1.2.0/24' }, { ipAddress: '::ffff:10.1.2.3' })).toBe('matched');
    expect(judge({ ipRange: '10.1.3.0/24' }, { ipAddress: '::ffff:10.1.2.3' })).toBeUndefined();
  });

  test.each([
    ['1.10', ['1.10.0', '1.10.7', 'v1.10.0', '1.10', '1.10.0-rc.1'], ['1.1.0', '1.9.9', '1.11.0', '1', '1.10.0.1']],
    ['1', ['1.0.0', '1.10.2', '1'], ['0.9.0', '2.0.0', '10.0.0']],
    ['1.10.0', ['1.10.0', 'v1.10.0', '1.10', '1.10.0+build.7'], ['1.10.1', '1.10.0-rc.1']],
    ['1.10.x', ['1.10.0', '1.10'], ['1.11.0']],
  ])('given the range of versions %j, whoever begins so meets it', (versionRange, met, others) => {
    expect(met.filter((version) => judge({ versionRange }, { version }) !== 'matched')).toEqual([]);
    expect(others.filter((version) => judge({ versionRange }, { version }) === 'matched')).toEqual([]);
  });

  test('given a build before a release, it is of its line', () => {
    expect(judge({ versionRange: '>=1.2 <2' }, { version: '1.5.0-rc.1' })).toBe('matched');
  });

  test('whoever is kept out is out, whoever is put in is in, and the others are judged by all criteria', () => {
    fc.assert(
      fc.property(criteria, words, agents, (asked, said, agent) => {
        const single = Object.entries(asked).filter(([, value]) => value !== undefined);
        const each = single.map(([name, value]) => membershipIn({ ...asksNothing, [name]: value }, nobody)(agent) === 'matched');
        const meets = each.length > 0 && each.every(Boolean);
        expect(membershipIn(asked, said)(agent)).toBe(
          said.excluded.has(agent.id) ? undefined : said.included.has(agent.id) ? 'included' : meets ? 'matched' : undefined,
        );
      }),
    );
  });
});

describe.each([
  ['IPv4', 4],
  ['IPv6', 16],
])('a range of %s addresses', (_, length) => {
  test('holds exactly the addresses that begin with its bits', () => {
    fc.assert(
      fc.property(octets(length), octets(length), fc.nat(length * 8), fc.nat(length * 8), (network, random, prefix, shared) => {
        const bits = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
        // As many bits of the network as chance has it, so that both verdicts come often.
        const address = Buffer.from(
          (bits(network).slice(0, shared) + bits(random).slice(shared)).match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)),
        );
        // IPv6 addresses that carry IPv4 are judged as such.
        fc.pre(length === 4 || !textOf(address).startsWith('::ffff:'));
        const ipRange = `${textOf(network)}/${prefix}`;
        const held = judge({ ipRange }, { ipAddress: textOf(address) }) === 'matched';
        expect(Buffer.from(ipOctets(textOf(address)))).toEqual(address);
        expect(held).toBe(bits(network).slice(0, prefix) === bits(address).slice(0, prefix));
      }),
    );
  });
});

test('what is no range of versions is told, and takes no time', () => {
  expect(['>=1.2 <2', '1.x || 3.x', '*', '^1.4.2-rc.1'].map(isVersionRange)).toEqual([true, true, true, true]);
  fc.assert(
    fc.property(fc.string({ maxLength: 128 }), fc.string({ maxLength: 64 }), (range, version) => {
      const is = judge({ versionRange: range }, { version });
      if (!isVersionRange(range)) expect(is).toBeUndefined();
    }),
  );
});
