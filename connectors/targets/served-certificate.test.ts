import net from 'node:net';
import tls from 'node:tls';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { issued, serverName, type Issued } from '../../test/targets/issued.ts';
import { endpointSchema, type Endpoint } from './endpoint.ts';
import { servedCertificate } from './served-certificate.ts';
import { startTlsProtocols } from './starttls.ts';
import { verifyServed } from './verification.ts';

const servers: net.Server[] = [];
const sockets: net.Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

async function listening(server: net.Server): Promise<number> {
  servers.push(server);
  server.on('connection', (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as net.AddressInfo).port;
}

const endpoint = (port: number, more: object = {}): Endpoint =>
  endpointSchema.parse({ host: '127.0.0.1', port, server_name: serverName, within: 1, ...more });

function tlsServer(...materials: readonly Issued[]): tls.Server {
  const server = tls.createServer({
    cert: materials.map(({ leafPem, chainPem }) => leafPem + chainPem),
    key: materials.map(({ privateKeyPem }) => privateKeyPem),
  });
  server.on('tlsClientError', () => undefined);
  return server;
}

/** Speaks lines before TLS, as the script says, then serves. */
function speaking(greeting: string, answers: readonly (readonly [RegExp, string])[], material: Issued): net.Server {
  const context = tls.createSecureContext({ cert: material.leafPem + material.chainPem, key: material.privateKeyPem });
  return net.createServer((socket) => {
    let next = 0;
    socket.on('error', () => undefined);
    if (greeting !== '') socket.write(greeting);
    const onData = (chunk: Buffer): void => {
      const [asked, answer] = answers[next++] ?? [/^$/, ''];
      if (!asked.test(chunk.toString('latin1'))) return void socket.destroy();
      socket.write(answer, 'latin1');
      if (next < answers.length || !/^(220|a OK|\+OK|S$|0)/.test(answer)) return;
      socket.off('data', onData);
      new tls.TLSSocket(socket, { isServer: true, secureContext: context }).on('error', () => undefined);
    };
    socket.on('data', onData);
  });
}

test('the leaf and its issuers are told as they were sent', async () => {
  const material = issued();
  const port = await listening(tlsServer(material));
  const served = await servedCertificate(endpoint(port));
  expect(served.fingerprint).toBe(material.fingerprint);
  expect(served.chain).toHaveLength(1);
});

test('a server with two kinds of key shows the one that is asked for', async () => {
  const [ec, rsa] = [issued('ec'), issued('rsa')];
  const port = await listening(tlsServer(rsa, ec));
  expect((await servedCertificate(endpoint(port), 'ec')).fingerprint).toBe(ec.fingerprint);
  expect((await servedCertificate(endpoint(port), 'rsa')).fingerprint).toBe(rsa.fingerprint);
});

test('a leaf without its chain is not verified, unless nobody asks for the chain', async () => {
  const material = issued();
  const port = await listening(tlsServer({ ...material, chainPem: '' }));
  const { chain } = await servedCertificate(endpoint(await listening(tlsServer(material))));
  const expected = { fingerprint: material.fingerprint, chainFingerprints: chain, keyType: 'ec' };
  expect(await verifyServed(endpoint(port), expected)).toMatchObject({ verified: false, reason: 'the server does not send the chain' });
  expect(await verifyServed(endpoint(port, { check_chain: false, within: 20 }), expected)).toMatchObject({ verified: true });
});

const ber = (hex: string): string => Buffer.from(hex.replaceAll(' ', ''), 'hex').toString('latin1');
const dialogues = {
  smtp: [
    '220-hello\r\n220 there\r\n',
    [
      [/^EHLO /, '250-site\r\n250-STARTTLS\r\n250 8BITMIME\r\n'],
      [/^STARTTLS\r\n/, '220 go\r\n'],
    ],
  ],
  imap: ['* OK hello\r\n', [[/^a STARTTLS\r\n/, 'a OK go\r\n']]],
  pop3: ['+OK hello\r\n', [[/^STLS\r\n/, '+OK go\r\n']]],
  ldap: ['', [[/1\.3\.6\.1\.4\.1\.1466\.20037$/, ber('300c 020101 7807 0a0100 0400 0400')]]],
  postgres: ['', [[/^\0\0\0\x08\x04\xd2\x16\/$/, 'S']]],
} as const;

test.each(startTlsProtocols)('%s is spoken up to where TLS begins', async (starttls) => {
  const material = issued();
  const [greeting, answers] = dialogues[starttls];
  const port = await listening(speaking(greeting, answers, material));
  expect((await servedCertificate(endpoint(port, { starttls }))).fingerprint).toBe(material.fingerprint);
});

test.each([
  [
    'smtp',
    '220 hello\r\n',
    [
      [/EHLO/, '250 site\r\n'],
      [/STARTTLS/, '454 not now\r\n'],
    ],
  ],
  ['smtp', '554 no\r\n', []],
  ['imap', '* OK hello\r\n', [[/STARTTLS/, 'a BAD no\r\n']]],
  ['pop3', '+OK hello\r\n', [[/STLS/, '-ERR no\r\n']]],
  ['ldap', '', [[/20037/, ber('300c 020101 7807 0a0102 0400 0400')]]],
  ['ldap', '', [[/20037/, ber('300c 020101 6107 0a0100 0400 0400')]]],
  ['postgres', '', [[/^/, 'N']]],
  ['postgres', '', [[/^/, 'Smore']]],
] as const)('a refusal over %s is told as one', async (starttls, greeting, answers) => {
  const port = await listening(speaking(greeting, answers, issued()));
  await expect(servedCertificate(endpoint(port, { starttls }))).rejects.toMatchObject({
    failureClass: 'verify',
    message: expect.stringContaining('refuses') as string,
  });
});

test('an answer of LDAP may come in pieces, with lengths as Active Directory writes them', async () => {
  const material = issued();
  const context = tls.createSecureContext({ cert: material.leafPem + material.chainPem, key: material.privateKeyPem });
  const pieces = ['3084', '0000001002', '0101788400000007', '0a010004000400'];
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined).setNoDelay();
    socket.once('data', () => {
      const next = (): void => {
        const piece = pieces.shift();
        if (piece !== undefined) socket.write(piece, 'hex', () => setImmediate(next));
        else new tls.TLSSocket(socket, { isServer: true, secureContext: context }).on('error', () => undefined);
      };
      next();
    });
  });
  const port = await listening(server);
  expect((await servedCertificate(endpoint(port, { starttls: 'ldap' }))).fingerprint).toBe(material.fingerprint);
});

test('a server that greets strangers late, as postscreen does after six seconds, is waited for', async () => {
  const material = issued();
  const quick = speaking('220-there is more\r\n', dialogues.smtp[1], material);
  const met = new Promise<net.Socket>((resolve) => quick.on('connection', resolve));
  const port = await listening(quick);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const served = servedCertificate(endpoint(port, { starttls: 'smtp' }));
    const socket = await met;
    vi.advanceTimersByTime(6000);
    socket.write('220 there\r\n');
    expect((await served).fingerprint).toBe(material.fingerprint);
  } finally {
    vi.useRealTimers();
  }
});

test('whatever a server says before or instead of TLS ends in one mapped failure', async () => {
  let bytes = Buffer.alloc(0);
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(bytes);
  });
  const port = await listening(server);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 20_000 }), fc.constantFrom(undefined, ...startTlsProtocols), async (noise, starttls) => {
      bytes = Buffer.from(noise);
      await expect(servedCertificate(endpoint(port, { starttls }))).rejects.toMatchObject({
        name: 'TargetFailure',
        failureClass: 'verify',
      });
    }),
    { numRuns: 60 },
  );
});
