import 'reflect-metadata';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { X509Crl } from '@peculiar/x509';
import acme from 'acme-client';
import * as asn1js from 'asn1js';
import { startHost } from './host.ts';

/** `npm run demo`: a certificate's whole life on a platform that exists for as long as this takes. */
const steps: { readonly step: string; readonly seconds: number; readonly result: string }[] = [];

async function timed<T>(step: string, work: () => Promise<T>, result: (value: T) => string): Promise<T> {
  const began = performance.now();
  const value = await work();
  const seconds = (performance.now() - began) / 1000;
  steps.push({ step, seconds, result: result(value) });
  console.log(`${seconds.toFixed(2).padStart(7)} s  ${step}: ${result(value)}`);
  return value;
}

const name = 'demo.localhost';
const answers = new Map<string, string>();
const responder = http.createServer((request, response) => {
  const answer = answers.get(request.url?.split('/').at(-1) ?? '');
  response.writeHead(answer === undefined ? 404 : 200).end(answer);
});
await new Promise<void>((resolve) => responder.listen(0, '127.0.0.1', resolve));
const { port } = responder.address() as AddressInfo;

const host = await timed(
  'start an ephemeral platform',
  () =>
    startHost(
      {
        home: '',
        ephemeral: true,
        port: 0,
        httpPort: 0,
        copies: 1,
        dnsResolvers: [],
        config: undefined,

        doorHttp01Port: port,
        doorTlsAlpn01Port: 5001,
        doorIp: undefined,
      },
      () => undefined,
    ),
  (started) => started.url,
);
let failure: Error | undefined;
try {
  await live();
} catch (error) {
  failure = error instanceof Error ? error : new Error('failed', { cause: error });
}
await timed(
  'stop',
  () => host.stop(),
  () => 'nothing is left',
);
responder.close();
if (failure !== undefined) {
  console.error(`certctl demo: ${failure.message}`);
  process.exit(1);
}
console.log(`\n${table()}`);
process.exit(0);

async function live(): Promise<void> {
  acme.axios.defaults.httpsAgent = new https.Agent({ ca: readFileSync(host.home.caFile) });
  const client = new acme.Client({
    directoryUrl: `${host.url}/acme/profile/default/directory`,
    accountKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
    backoffMin: 50,
    backoffMax: 500,
  });
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const pem = await timed(
    `prove ${name} by http-01 and get its certificate`,
    async () => {
      const [, csr] = await acme.crypto.createCsr({ altNames: [name] }, key);
      return client.auto({
        csr,
        termsOfServiceAgreed: true,
        skipChallengeVerification: true,
        challengePriority: ['http-01'],
        challengeCreateFn: async (_authorization, challenge, keyAuthorization) => void answers.set(challenge.token, keyAuthorization),
        challengeRemoveFn: async (_authorization, challenge) => void answers.delete(challenge.token),
      });
    },
    (chain) => `${chain.match(/BEGIN CERTIFICATE/g)?.length ?? 0} certificates in the chain`,
  );
  const leaf = new X509Certificate(pem);
  console.log(
    `\n           subject   ${leaf.subject}\n           issuer    ${leaf.issuer.replaceAll('\n', ', ')}\n           names     ${leaf.subjectAltName ?? ''}\n           valid     ${leaf.validFrom} to ${leaf.validTo}\n           serial    ${leaf.serialNumber}\n`,
  );
  const serial = leaf.serialNumber.toLowerCase();
  await timed(
    'ask OCSP',
    () => ocspStatus(serial),
    (status) => status,
  );
  await timed(
    'revoke it',
    () => client.revokeCertificate(pem),
    () => 'done',
  );
  await timed(
    'ask OCSP',
    () => expectEventually(() => ocspStatus(serial), 'revoked'),
    (status) => status,
  );
  await timed(
    'look into the CRL',
    () => expectEventually(() => crlStatus(serial), 'revoked'),
    (status) => status,
  );
}

async function expectEventually(ask: () => Promise<string>, wanted: string): Promise<string> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const status = await ask();
    if (status === wanted) return status;
    if (Date.now() > deadline) throw new Error(`the status is ${status}, not ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** RFC 6960 §4.2.1: good [0], revoked [1], unknown [2]. */
async function ocspStatus(serial: string): Promise<string> {
  const response = await fetch(`${host.pkiUrl}/.well-known/pki/ocsp/issuing-1/serial/${serial}`);
  const values = (block: asn1js.BaseBlock): asn1js.BaseBlock[] => (block.valueBlock as unknown as { value: asn1js.BaseBlock[] }).value;
  const at = (block: asn1js.BaseBlock, index: number): asn1js.BaseBlock => {
    const found = values(block)[index];
    if (found === undefined) throw new Error('an OCSP response that is not successful');
    return found;
  };
  const outer = asn1js.fromBER(await response.arrayBuffer()).result;
  const octets = at(at(at(outer, 1), 0), 1) as unknown as asn1js.OctetString;
  const basic = asn1js.fromBER(octets.getValue()).result;
  const single = at(at(at(basic, 0), 2), 0);
  return ['good', 'revoked', 'unknown'][at(single, 1).idBlock.tagNumber] ?? 'unreadable';
}

async function crlStatus(serial: string): Promise<string> {
  const response = await fetch(`${host.pkiUrl}/.well-known/pki/crl/issuing-1.crl`);
  const crl = new X509Crl(await response.arrayBuffer());
  return crl.entries.some((entry) => entry.serialNumber.replace(/^0+/, '') === serial) ? 'revoked' : 'not listed';
}

function table(): string {
  const width = Math.max(...steps.map(({ step }) => step.length));
  const lines = steps.map(({ step, seconds, result }) => `  ${step.padEnd(width)}  ${seconds.toFixed(2).padStart(6)} s  ${result}`);
  const total = steps.reduce((sum, { seconds }) => sum + seconds, 0);
  return [...lines, `  ${'in all'.padEnd(width)}  ${total.toFixed(2).padStart(6)} s`].join('\n');
}
