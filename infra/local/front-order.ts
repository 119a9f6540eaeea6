import { generateKeyPairSync, webcrypto } from 'node:crypto';
import https from 'node:https';
import { pathToFileURL } from 'node:url';
import type { FrontCertificate } from './copy/protocol.ts';

/** What a child process is asked to do; the libraries that it loads are then not the host's to carry. */
export type FrontTask =
  { readonly task: 'temporary' } | { readonly task: 'order'; readonly url: string; readonly token: string; readonly trust: string };

/** A self-signed certificate for the few seconds until the front has one from its own CA. */
async function temporary(): Promise<FrontCertificate> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(globalThis.crypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=certctl start',
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }]),
      new x509.BasicConstraintsExtension(true, 0, true),
    ],
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { chain: certificate.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` };
}

/** Orders the front's certificate over ACME from the platform itself, invited by an EAB key of its own. */
async function order(task: FrontTask & { task: 'order' }): Promise<FrontCertificate> {
  const acme = (await import('acme-client')).default;
  acme.axios.defaults.httpsAgent = new https.Agent({ ca: task.trust });
  const eab = await acme.axios.post<{ key_id: string; hmac_key: string }>(
    `${task.url}/api/v1/eab-keys`,
    { profile: 'internal', description: 'HTTPS front of this host', max_uses: 1 },
    { headers: { authorization: `Bearer ${task.token}` } },
  );
  const accountKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const client = new acme.Client({
    directoryUrl: `${task.url}/acme/profile/internal/directory`,
    accountKey,
    externalAccountBinding: { kid: eab.data.key_id, hmacKey: eab.data.hmac_key },
    backoffMin: 100,
  });
  await client.createAccount({ termsOfServiceAgreed: true });
  const leafKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const [, csr] = await acme.crypto.createCsr({ altNames: ['localhost'] }, leafKey);
  const ready = await client.createOrder({ identifiers: [{ type: 'dns', value: 'localhost' }] });
  const chain = await client.getCertificate(await client.finalizeOrder(ready, csr));
  return { chain, key: leafKey };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.once('message', (task: FrontTask) => {
    (task.task === 'temporary' ? temporary() : order(task)).then(
      (front) => process.send?.({ front }, () => process.exit(0)),
      (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }, () => process.exit(1)),
    );
  });
}
