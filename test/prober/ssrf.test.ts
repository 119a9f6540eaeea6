import { createSocket, type Socket } from 'node:dgram';
import http, { type Server } from 'node:http';
import { createServer } from 'node:net';
import packet from 'dns-packet';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { nameResolver } from '#adapters/dns/resolver.ts';
import { fetchKeyAuthorization, type Door } from '#adapters/http/http01.ts';
import { ProbeError } from '#domain/probe/probe.ts';

type Records = Readonly<Record<string, (packet.Answer & { type: 'A' | 'AAAA' | 'TXT' | 'CNAME' })[]>>;

/** A name server of the test's own: what it does not have is NXDOMAIN. */
let zone: Records = {};
let asked: string[] = [];
let answers: ((name: string, type: string) => string[] | undefined) | undefined;
let dns: Socket;
let resolver: ReturnType<typeof nameResolver>;
let trap: Server;
let trapPort = 0;
let trapped: string[] = [];

beforeAll(async () => {
  dns = createSocket('udp4', (message, from) => {
    const query = packet.decode(message);
    const question = query.questions?.[0];
    if (question === undefined) return;
    const name = question.name.toLowerCase();
    asked.push(`${question.type} ${name}`);
    const dynamic = answers?.(name, question.type);
    const records: packet.Answer[] =
      dynamic !== undefined
        ? dynamic.map((data) => ({ type: 'A', name, ttl: 0, data }))
        : (zone[name] ?? []).filter((record) => record.type === question.type || record.type === 'CNAME');
    const exists = dynamic !== undefined || zone[name] !== undefined;
    dns.send(
      packet.encode({
        type: 'response',
        id: query.id ?? 0,
        flags: packet.RECURSION_AVAILABLE | (exists ? 0 : 3),
        questions: query.questions ?? [],
        answers: records,
      }),
      from.port,
      from.address,
    );
  });
  await new Promise<void>((resolve) => dns.bind(0, '127.0.0.1', resolve));
  resolver = nameResolver([`127.0.0.1:${dns.address().port}`]);
  trap = http.createServer((request, response) => {
    trapped.push(`${String(request.headers.host)}${String(request.url)}`);
    response.end('trapped');
  });
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
  trapPort = (trap.address() as { port: number }).port;
});
afterAll(async () => {
  dns.close();
  await new Promise((resolve) => trap.close(resolve));
});
afterEach(() => {
  zone = {};
  asked = [];
  trapped = [];
  answers = undefined;
});

const aaaa = (...addresses: string[]): Records[string] => addresses.map((data) => ({ type: 'AAAA', name: '', ttl: 0, data }));
const a = (...addresses: string[]): Records[string] => addresses.map((data) => ({ type: 'A', name: '', ttl: 0, data }));

async function refusal(name: string, options: { door?: Door; allowedCidrs?: string[] } = {}): Promise<ProbeError> {
  try {
    await fetchKeyAuthorization(resolver, { name, token: 'token', allowedCidrs: options.allowedCidrs ?? [], door: options.door });
  } catch (error) {
    if (error instanceof ProbeError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const openDoor = (): Door => ({ suffix: '.localhost', address: '127.0.0.1', http01Port: trapPort, tlsAlpn01Port: 1 });

for (const door of ['closed', 'open'] as const) {
  const options = (): { door?: Door } => (door === 'open' ? { door: openDoor() } : {});

  test.each([
    '127.0.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '10.0.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '172.16.0.1',
    '224.0.0.1',
    '255.255.255.255',
  ])(`with the door ${door}, a name that leads to %s is a final connection error that does not show the address`, async (address) => {
    zone = { 'victim.example': a(address) };
    const error = await refusal('victim.example', options());
    expect([error.code, error.final]).toEqual(['connection', true]);
    expect(error.message).not.toContain(address);
    expect(trapped).toEqual([]);
  });

  test(`with the door ${door}, one forbidden address among public ones refuses the name`, async () => {
    zone = { 'mixed.example': a('203.0.114.1', '127.0.0.1') };
    expect((await refusal('mixed.example', options())).final).toBe(true);
  });

  test(`with the door ${door}, a name is looked up once, so a second answer cannot lead elsewhere`, async () => {
    let times = 0;
    answers = (_, type) => (type === 'A' ? [times++ === 0 ? '203.0.113.1' : '127.0.0.1'] : []);
    const error = await refusal('rebinding.example', { ...options(), allowedCidrs: ['203.0.113.0/24'] });
    // The first address may be asked, whatever comes of that (it is a documentation range): nobody looked for another one.
    expect(error.final).toBe(false);
    expect(asked.filter((question) => question === 'A rebinding.example')).toHaveLength(1);
    expect(trapped).toEqual([]);
  });
}

test('with the door open, names under its suffix lead to its port and to nowhere else', async () => {
  expect(await fetchKeyAuthorization(resolver, { name: 'demo.localhost', token: 'token', allowedCidrs: [], door: openDoor() })).toBe(
    'trapped',
  );
  expect(trapped).toEqual(['demo.localhost/.well-known/acme-challenge/token']);
  expect(asked).toEqual([]);
  expect((await refusal('demo.localhost.example', { door: openDoor() })).code).toBe('dns');
  expect((await refusal('notlocalhost', { door: openDoor() })).code).toBe('dns');
});

test('an address at the door leads there by itself alone: no name and no redirect reaches it, and its neighbour is an address like any other', async () => {
  const door = { ...openDoor(), ip: '192.0.2.1' };
  expect(await fetchKeyAuthorization(resolver, { name: '192.0.2.1', token: 'token', allowedCidrs: [], door })).toBe('trapped');
  expect(trapped).toEqual(['192.0.2.1/.well-known/acme-challenge/token']);
  trapped = [];
  zone = { 'named.example': a('192.0.2.1') };
  expect(await refusal('named.example', { door })).toMatchObject({ code: 'connection', final: true });
  expect(await refusal('192.0.2.2', { door })).toMatchObject({ code: 'connection', final: true });
  const server = http.createServer((_request, response) => response.writeHead(302, { location: 'http://192.0.2.1/x' }).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as { port: number };
    expect(await refusal('demo.localhost', { door: { ...door, http01Port: port } })).toMatchObject({ code: 'connection', final: true });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
  expect(trapped).toEqual([]);
});

test.each([
  ['a forbidden address', 'http://inner.example/x'],
  ['an address', 'http://127.0.0.1/x'],
  ['an IPv6 address', 'http://[::1]/x'],
  ['an address in disguise', 'http://0x7f000001/x'],
  ['the metadata of a machine', 'http://169.254.169.254/x'],
  ['a private address in the form of IPv6', 'http://[::ffff:10.0.0.1]/x'],
  ['another port', 'http://demo.localhost:9200/x'],
  ['another scheme', 'ftp://demo.localhost/x'],
  ['a file', 'file:///etc/passwd'],
  ['credentials', 'http://user:secret@demo.localhost/x'],
  ['itself', 'http://demo.localhost/.well-known/acme-challenge/token'],
])('a redirect to %s is refused', async (_, location) => {
  zone = { 'inner.example': a('10.0.0.1') };
  const server = http.createServer((_request, response) => response.writeHead(302, { location }).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as { port: number };
    const error = await refusal('demo.localhost', {
      door: { suffix: '.localhost', address: '127.0.0.1', http01Port: port, tlsAlpn01Port: 1 },
    });
    expect(error.code).toBe('connection');
    expect(error.message).not.toMatch(/10\.0\.0\.1|127\.0\.0\.1|secret/);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('redirects are followed, but at most ten times', async () => {
  let hops = 0;
  const server = http.createServer((request, response) => {
    if (request.url === '/end' && hops <= 9) response.end('found');
    else response.writeHead(301, { location: ++hops === 9 ? '/end' : `/${hops}` }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as { port: number };
    const door = { suffix: '.localhost', address: '127.0.0.1', http01Port: port, tlsAlpn01Port: 1 };
    expect(await fetchKeyAuthorization(resolver, { name: 'demo.localhost', token: 't', allowedCidrs: [], door })).toBe('found');
    hops = 10;
    expect((await refusal('demo.localhost', { door })).message).toContain('10 redirects');
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a name without records, with IPv6 only, or from a server that does not answer is a dns error that says so', async () => {
  zone = { 'six.example': [{ type: 'AAAA', name: '', ttl: 0, data: '2606:4700::1111' }], 'empty.example': [] };
  expect((await refusal('missing.example')).message).toContain('NXDOMAIN');
  expect((await refusal('empty.example')).message).toContain('no record');
  expect((await refusal('six.example')).message).toContain('IPv6');
});

test('TXT strings are joined, aliases followed at most eight times, and a circle is refused', async () => {
  const alias = (data: string): Records[string] => [{ type: 'CNAME', name: '', ttl: 0, data }];
  zone = {
    '_acme-challenge.long.example': [{ type: 'TXT', name: '', ttl: 0, data: [Buffer.from('half'), Buffer.from('-other')] }],
    '_acme-challenge.aliased.example': alias('target.example'),
    'target.example': [{ type: 'TXT', name: '', ttl: 0, data: ['found', 'second'] }],
    '_acme-challenge.circle.example': alias('back.example'),
    'back.example': alias('_acme-challenge.circle.example'),
  };
  expect(await resolver.texts('_acme-challenge.long.example')).toEqual(['half-other']);
  expect((await resolver.texts('_acme-challenge.aliased.example')).join('')).toContain('found');
  await expect(resolver.texts('_acme-challenge.circle.example')).rejects.toThrow(ProbeError);
});

test('an answer that was cut is asked again over TCP, and a resolver that is dead is followed by the next', async () => {
  const records: packet.Answer[] = [{ type: 'TXT', name: 'big.example', ttl: 0, data: ['x'.repeat(200), 'whole'] }];
  const reply = (query: packet.Packet, cut: boolean): packet.Packet => ({
    type: 'response',
    id: query.id ?? 0,
    flags: packet.RECURSION_AVAILABLE | (cut ? packet.TRUNCATED_RESPONSE : 0),
    questions: query.questions ?? [],
    answers: cut ? [] : records,
  });
  const tcp = createServer((socket) => {
    socket.once('data', (bytes) => socket.end(packet.streamEncode(reply(packet.streamDecode(bytes), false))));
  });
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const { port } = tcp.address() as { port: number };
  const udp = createSocket('udp4', (message, from) =>
    udp.send(packet.encode(reply(packet.decode(message), true)), from.port, from.address),
  );
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
  const dead = createSocket('udp4');
  await new Promise<void>((resolve) => dead.bind(0, '127.0.0.1', resolve));
  const deadPort = dead.address().port;
  await new Promise<void>((resolve) => dead.close(resolve));
  try {
    const both = nameResolver([`127.0.0.1:${deadPort}`, `127.0.0.1:${port}`]);
    expect((await both.texts('big.example'))[0]).toContain('whole');
  } finally {
    udp.close();
    await new Promise((resolve) => tcp.close(resolve));
  }
});

test('a name with IPv6 addresses alone is told so, and looked up by the prober that reaches them; both families never mix', async () => {
  zone = { 'six.example': aaaa('2001:db8::1'), 'both.example': [...a('192.0.2.1'), ...aaaa('2001:db8::2')] };
  expect(await refusal('six.example')).toMatchObject({ code: 'dns', onlyIpv6: true, final: false });
  expect(await refusal('none.example')).toMatchObject({ code: 'dns', onlyIpv6: false });
  const overIpv6 = nameResolver([`127.0.0.1:${dns.address().port}`], 6);
  expect(await overIpv6.addresses('six.example')).toEqual(['2001:db8::1']);
  expect(await overIpv6.addresses('both.example')).toEqual(['2001:db8::2']);
  expect(await resolver.addresses('both.example')).toEqual(['192.0.2.1']);
});
