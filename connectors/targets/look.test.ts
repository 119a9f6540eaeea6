import type net from 'node:net';
import tls from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { issued, serverName, type Issued } from '../../test/targets/issued.ts';
import { endpointSchema, type Endpoint } from './endpoint.ts';
import { look, prevailing, silence } from './look.ts';
import { verifyServed } from './verification.ts';

const servers: tls.Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

/** A balancer: each new connection is another server's turn. @returns its port, and the names that were asked for */
async function pool(...materials: readonly (Issued | 'down')[]): Promise<{ readonly port: number; readonly names: string[] }> {
  const names: string[] = [];
  let turn = 0;
  const server = tls.createServer({
    SNICallback: (name, done) => {
      names.push(name);
      const material = materials[turn++ % materials.length];
      if (material === undefined || material === 'down') done(new Error('down'));
      else done(null, tls.createSecureContext({ cert: material.leafPem + material.chainPem, key: material.privateKeyPem }));
    },
  });
  server.on('tlsClientError', () => undefined);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as net.AddressInfo).port, names };
}

const endpoint = (port: number, quorum: Endpoint['quorum'], more: object = {}): Endpoint =>
  endpointSchema.parse({
    host: '127.0.0.1',
    port,
    server_name: serverName,
    within: 1,
    check_chain: false,
    ...(quorum && { quorum }),
    ...more,
  });
const expectedOf = ({ fingerprint }: Issued): { fingerprint: string; chainFingerprints: string[]; keyType: string } => ({
  fingerprint,
  chainFingerprints: [],
  keyType: 'ec',
});

test('given a pool of which two servers of three have the new certificate, a quorum of two verifies it and one of three does not', async () => {
  const [old, renewed] = [issued(), issued()];
  const { port } = await pool(renewed, old, renewed);
  expect(await verifyServed(endpoint(port, { matching: 2, of: 3 }), expectedOf(renewed))).toEqual({
    expectedFingerprint: renewed.fingerprint,
    actualFingerprint: renewed.fingerprint,
    verified: true,
  });
  expect(await verifyServed(endpoint(port, { matching: 3, of: 3 }), expectedOf(renewed))).toEqual({
    expectedFingerprint: renewed.fingerprint,
    actualFingerprint: old.fingerprint,
    verified: false,
    reason: '2 of 3 connections show the new certificate, 3 must; the server serves another certificate',
  });
});

test('given a pool with a server that is down, the others verify it where the quorum lets one be missing', async () => {
  const renewed = issued();
  const { port } = await pool(renewed, 'down');
  expect(await verifyServed(endpoint(port, { matching: 2, of: 4 }), expectedOf(renewed))).toMatchObject({ verified: true });
  expect(await verifyServed(endpoint(port, { matching: 3, of: 4 }), expectedOf(renewed))).toMatchObject({
    verified: false,
    reason: expect.stringMatching(/^2 of 4 .* no TLS handshake/) as string,
  });
});

test('given hosts of a pool with a key each, a look tells the certificate of this host where enough show it, else that of most others', async () => {
  const [own, second, third] = [issued(), issued(), issued()];
  const { port } = await pool(own, second, third, third);
  const of = endpoint(port, { matching: 1, of: 4 });
  expect(prevailing(of, await look(of), [own.fingerprint])?.fingerprint).toBe(own.fingerprint);
  expect(prevailing(of, await look(of), [])?.fingerprint).toBe(third.fingerprint);
  const two = endpoint(port, { matching: 2, of: 4 });
  expect(prevailing(two, await look(two), [own.fingerprint])?.fingerprint).toBe(third.fingerprint);
});

test('given a pool that shows the expected certificate too rarely and nothing else, nothing prevails and the reason is a server’s', async () => {
  const own = issued();
  const { port } = await pool(own, 'down');
  const of = endpoint(port, { matching: 2, of: 2 });
  const looked = await look(of);
  expect(prevailing(of, looked, [own.fingerprint])).toBeUndefined();
  expect(silence(looked).message).toMatch(/no TLS handshake/);
});

test('given a pool’s name, each of its connections asks for that name', async () => {
  const { port, names } = await pool(issued());
  await look(endpoint(port, { matching: 1, of: 3 }, { host: 'localhost', server_name: undefined }));
  expect(new Set(names)).toEqual(new Set(['localhost']));
});

test('given a name without an address, the look says so', async () => {
  const [seen] = await look(endpoint(443, { matching: 1, of: 2 }, { host: 'nobody.invalid' }));
  expect(seen).toMatchObject({ failureClass: 'verify', message: expect.stringContaining('nobody.invalid has no address') as string });
});

test.each([{ matching: 3, of: 2 }, { matching: 0, of: 2 }, { matching: 1, of: 21 }, { matching: 1 }])(
  'a quorum of %j is refused',
  (quorum) => {
    expect(endpointSchema.safeParse({ host: 'a', port: 443, quorum }).success).toBe(false);
  },
);
