import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { buildTbsRoot } from '#domain/x509/authority.ts';
import type { CaKeyAlgorithm } from '#domain/x509/key-algorithm.ts';
import { signCertificate } from '#domain/x509/leaf.ts';
import { certificatesOfPem, toPem } from '#domain/x509/pem.ts';
import { newSerial } from '#domain/x509/serial.ts';
import { softwareSigner } from '#domain/x509/software-signer.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, until, type Answer, type Platform } from '../platform.ts';
import { listOf, pointOf, type Judged } from './status.ts';

/** A CA of the platform. */
export interface Authority {
  readonly id: string;
  /** PEM */
  readonly certificate: string;
}

export interface IssuedLeaf extends Judged {
  /** Of the managed certificate. */
  readonly id: string;
}

const intermediates = '/api/v1/issuers/iss-local/intermediates';
const daySeconds = 86_400;
let made = 0;

async function call(platform: Platform, method: string, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await api(platform, method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.json();
}

function authority(row: Record<string, unknown>): Authority {
  return { id: String(row['id']), certificate: String(row['cert_pem']) };
}

/** A root with a key made outside, room for CAs below it. */
export async function makeRoot(
  platform: Platform,
  privateKey: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  /** Where the key is in KMS. */
  arn?: string,
): Promise<Authority> {
  const signer = softwareSigner(privateKey);
  const name = `status-root-${++made}`;
  const at = Math.floor(Date.now() / 1000) * 1000;
  const tbs = buildTbsRoot(signer.algorithm, {
    serial: newSerial(randomBytes(16)),
    commonName: name,
    spki: signer.publicKeySpki,
    notBefore: new Date(at - daySeconds * 1000),
    notAfter: new Date(at + 3650 * daySeconds * 1000),
  });
  const root_cert_pem = toPem('CERTIFICATE', await signCertificate(signer, tbs));
  const key = await call(platform, 'POST', '/api/v1/signer-keys', {
    ...(arn === undefined
      ? { driver: 'sealed', private_key_pem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() }
      : { driver: 'kms', ref: arn }),
  });
  return authority(await call(platform, 'POST', intermediates, { name, root_cert_pem, key_driver_id: key['id'] }));
}

export async function makeChild(platform: Platform, parent: Authority, algorithm: CaKeyAlgorithm = 'ECDSA-P256'): Promise<Authority> {
  const name = `status-ca-${++made}`;
  const body = { name, parent_ca_id: parent.id, subject: { common_name: name }, algorithm };
  return authority(await call(platform, 'POST', intermediates, body));
}

/** Has a CA's CRL cut into shards. */
export function cutCrl(platform: Platform, ca: Authority, shards: number): Promise<Answer> {
  return api(platform, 'PATCH', `/api/v1/intermediates/${ca.id}`, { crl_shards: shards }, { 'if-match': '*' });
}

/** {@link issueBelow} once whoever signs has heard that the CA's CRL is cut. */
export async function issueInShards(platform: Platform, ca: Authority, count: number): Promise<readonly IssuedLeaf[]> {
  const isCut = async (): Promise<true | undefined> =>
    (await issueBelow(platform, ca, 1)).every((leaf) => listOf(pointOf(leaf)) !== ca.id) || undefined;
  await until('signers know of the shards', isCut, 60);
  return issueBelow(platform, ca, count);
}

/** Has certificates signed by a CA, which the issuer chooses for as long as that takes. */
export async function issueBelow(
  platform: Platform,
  ca: Authority,
  count: number,
  asked: { readonly profile: string; readonly csr: (name: string) => string } = {
    profile: 'internal',
    csr: (name) => makeCsr([name]).csr,
  },
): Promise<readonly IssuedLeaf[]> {
  await call(platform, 'PUT', '/api/v1/issuers/iss-local/issuing-ca', { issuing_ca_id: ca.id });
  try {
    return await Promise.all(
      Array.from({ length: count }, async () => {
        const name = `status-leaf-${++made}`;
        const created = await call(platform, 'POST', '/api/v1/certificates', {
          name,
          profile: asked.profile,
          csr: asked.csr(`${name}.example.com`),
        });
        const { id } = created['certificate'] as { id: string };
        const leaf = await until('it is issued', async () => {
          const versions = (await api(platform, 'GET', `/api/v1/certificates/${id}/versions`)).json()['items'] as { pem: string }[];
          const [der] = certificatesOfPem(versions[0]?.pem ?? '');
          return der && toPem('CERTIFICATE', der);
        });
        return { id, leaf, issuer: ca.certificate, ca: ca.id };
      }),
    );
  } finally {
    await call(platform, 'PUT', '/api/v1/issuers/iss-local/issuing-ca', { issuing_ca_id: null });
  }
}
