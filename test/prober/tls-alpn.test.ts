import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import tls from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import type { NameResolver } from '#adapters/dns/resolver.ts';
import { validateTlsAlpn, type TlsAlpnTarget } from '#adapters/tls/tls-alpn01.ts';
import { ProbeError } from '#domain/probe/probe.ts';
import { challengeCertificate, type ChallengeCertificateOptions } from '../acme-conformance/challenge-certificate.ts';

const keyAuthorization = `${randomBytes(32).toString('base64url')}.${randomBytes(32).toString('base64url')}`;
const dns = (value: string): TlsAlpnTarget['identifier'] => ({ type: 'dns', value });
const nobody: NameResolver = {
  addresses: () => Promise.reject(new ProbeError('dns', 'nobody asks here')),
  texts: () => Promise.resolve([]),
  caa: () => Promise.resolve([]),
};

let server: Server | undefined;
afterEach(async () => {
  await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  server = undefined;
});

/** A client that answers the challenge, and the names that it was asked under. */
async function answering(
  options: Partial<ChallengeCertificateOptions>,
  protocols: string[] = ['acme-tls/1'],
): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const pair = await challengeCertificate({ names: [dns('www.localhost')], keyAuthorization, ...options });
  const made = tls.createServer({
    ...pair,
    ...(protocols.length > 0 && { ALPNProtocols: protocols }),
    SNICallback: (name, done) => {
      asked.push(name);
      done(null);
    },
  });
  made.on('tlsClientError', () => undefined);
  return { port: await listen(made), asked };
}

async function listen(made: Server): Promise<number> {
  server = made;
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  return (made.address() as { port: number }).port;
}

const validate = (port: number, identifier = dns('www.localhost'), resolver = nobody): Promise<void> =>
  validateTlsAlpn(resolver, {
    identifier,
    keyAuthorization,
    allowedCidrs: [],
    door: { suffix: identifier.type === 'ip' ? identifier.value : '.localhost', address: '127.0.0.1', http01Port: 1, tlsAlpn01Port: port },
  });

async function refusal(work: Promise<void>): Promise<ProbeError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ProbeError) return error;
  throw new Error(`not refused: ${String(error)}`);
}

test('a self-signed certificate with one name and the critical hash is the proof (RFC 8737 §3)', async () => {
  const { port, asked } = await answering({});
  await validate(port);
  expect(asked).toEqual(['www.localhost']);
});

test('an address is asked for under its reverse name and proven by an iPAddress (RFC 8738 §6)', async () => {
  for (const [value, name] of [
    ['192.0.2.7', '7.2.0.192.in-addr.arpa'],
    ['2001:db8::1', '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'],
  ] as const) {
    const { port, asked } = await answering({ names: [{ type: 'ip', value }] });
    await validate(port, { type: 'ip', value });
    expect(asked).toEqual([name]);
    await new Promise((resolve) => server?.close(resolve));
  }
});

test.each<[string, Partial<ChallengeCertificateOptions>]>([
  ['another name', { names: [dns('other.localhost')] }],
  ['two names', { names: [dns('www.localhost'), dns('other.localhost')] }],
  ['no name', { names: [] }],
  ['an address instead of the name', { names: [{ type: 'ip', value: '127.0.0.1' }] }],
  ['an extension that is not critical', { critical: false }],
  ['no extension', { omit: true }],
  ['another key authorization', { value: randomBytes(32) }],
  ['a hash of another length', { value: randomBytes(20) }],
  ["somebody else's signature", { foreign: true }],
])('a certificate with %s is no proof', async (_, options) => {
  const { port } = await answering(options);
  const error = await refusal(validate(port));
  expect([error.code, error.final]).toEqual(['incorrectResponse', false]);
  expect(error.message).not.toContain('127.0.0.1');
});

test('a server that negotiates another protocol or none is a tls error (RFC 8737 §3)', async () => {
  for (const protocols of [['h2', 'http/1.1'], []]) {
    const { port } = await answering({}, protocols);
    expect((await refusal(validate(port))).code).toBe('tls');
    await new Promise((resolve) => server?.close(resolve));
  }
});

test('a server that speaks no TLS is a tls error, and nobody listening a connection error', async () => {
  const port = await listen(
    createServer((socket) =>
      socket
        .resume()
        .on('error', () => undefined)
        .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    ),
  );
  expect((await refusal(validate(port))).code).toBe('tls');
  await new Promise((resolve) => server?.close(resolve));
  expect((await refusal(validate(port))).code).toBe('connection');
});

test('a name that leads to a forbidden address is never connected to', async () => {
  const { port, asked } = await answering({});
  for (const address of ['127.0.0.1', '169.254.169.254', '10.0.0.1', '::1', '::ffff:127.0.0.1']) {
    const resolver = { ...nobody, addresses: () => Promise.resolve(['93.184.216.34', address]) };
    const error = await refusal(validate(port, dns('www.example'), resolver));
    expect([error.code, error.final, error.message.includes(address)]).toEqual(['connection', true, false]);
  }
  const error = await refusal(
    validateTlsAlpn(nobody, { identifier: { type: 'ip', value: '127.0.0.1' }, keyAuthorization, allowedCidrs: [], door: undefined }),
  );
  expect([error.code, error.final]).toEqual(['connection', true]);
  expect(asked).toEqual([]);
});
