import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { expect } from 'vitest';
import { buildTbsRoot } from '#domain/x509/authority.ts';
import { signCertificate } from '#domain/x509/leaf.ts';
import { validatePath } from '#domain/x509/path/validate.ts';
import { certificatesOfPem, toPem } from '#domain/x509/pem.ts';
import { newSerial } from '#domain/x509/serial.ts';
import { softwareSigner } from '#domain/x509/software-signer.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, until, type Answer, type Platform } from '../platform.ts';

export const intermediates = '/api/v1/issuers/iss-local/intermediates';
let counter = 0;
/** A name that no other has. */
export const unique = (name: string): string => `${name.toLowerCase().replaceAll(' ', '-')}-${++counter}`;
export const days = (count: number): Date => new Date(Date.now() + count * 86_400_000);

/** A CA as the control plane shows it. */
export interface Row extends Record<string, unknown> {
  readonly id: string;
  readonly state: string;
  readonly cert_pem: string;
}

/** A root made outside of the platform. */
export async function outsideRoot(more: { pathLength?: number; notAfter?: Date; notBefore?: Date } = {}) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = softwareSigner(privateKey);
  const tbs = buildTbsRoot(signer.algorithm, {
    serial: newSerial(randomBytes(16)),
    commonName: unique('Outside Root'),
    spki: signer.publicKeySpki,
    notBefore: more.notBefore ?? days(-1),
    notAfter: more.notAfter ?? days(3650),
    ...(more.pathLength !== undefined && { pathLength: more.pathLength }),
  });
  const certificate = await signCertificate(signer, tbs);
  return { signer, privateKey, certificate, pem: toPem('CERTIFICATE', certificate) };
}

/** Whether a leaf, with what came along, leads to a root. */
export function leadsTo(rootDer: Uint8Array, pem: string): boolean {
  const [leaf, ...intermediates] = certificatesOfPem(pem);
  const result = validatePath({ certificate: leaf!, intermediates, anchors: [rootDer], options: { at: new Date() } });
  return result.valid;
}

/** What tests say to a platform about CAs. @param platform that is up when they are called */
export function authorityCalls(platform: () => Platform) {
  async function registered(privateKey: KeyObject): Promise<string> {
    const answer = await api(platform(), 'POST', '/api/v1/signer-keys', {
      driver: 'sealed',
      private_key_pem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    });
    expect(answer.status, answer.text).toBe(201);
    return String(answer.json()['id']);
  }

  async function root(more: { pathLength?: number; notAfter?: Date } = {}): Promise<Row> {
    const made = await outsideRoot(more);
    const key_driver_id = await registered(made.privateKey);
    const answer = await api(platform(), 'POST', intermediates, { name: unique('root'), root_cert_pem: made.pem, key_driver_id });
    expect(answer.status, answer.text).toBe(201);
    return answer.json() as Row;
  }

  const child = (parent: Row | string, body: object = {}): Promise<Answer> =>
    api(platform(), 'POST', intermediates, {
      name: unique('child'),
      parent_ca_id: typeof parent === 'string' ? parent : parent.id,
      subject: { common_name: unique('Child CA') },
      ...body,
    });

  async function made(answer: Promise<Answer>): Promise<Row> {
    const settled = await answer;
    expect(settled.status, settled.text).toBe(201);
    return settled.json() as Row;
  }

  const post = (row: Row, action: string, body: object = {}): Promise<Answer> =>
    api(platform(), 'POST', `/api/v1/intermediates/${row.id}/${action}`, body);
  const state = async (row: Row): Promise<unknown> => (await api(platform(), 'GET', `/api/v1/intermediates/${row.id}`)).json()['state'];

  async function auditOf(id: string): Promise<readonly { action: string; details: Record<string, unknown> }[]> {
    const database = await platform().database();
    try {
      return (
        await database.query<{ action: string; details: Record<string, unknown> }>(
          `SELECT action, details FROM audit_events WHERE resource_id = $1 ORDER BY id`,
          [id],
        )
      ).rows;
    } finally {
      await database.end();
    }
  }

  /** Asks for a managed certificate and waits for its first version; why it failed when there is none. */
  async function issue(name: string): Promise<{ readonly pem: string } | { readonly reason: string }> {
    const created = await api(platform(), 'POST', '/api/v1/certificates', {
      name: unique('leaf'),
      profile: 'internal',
      csr: makeCsr([name]).csr,
    });
    expect(created.status, created.text).toBe(202);
    const { certificate, job } = created.json() as { certificate: { id: string }; job: string };
    return until(
      `an end of the issuance of ${name}`,
      async () => {
        const versions = (await api(platform(), 'GET', `/api/v1/certificates/${certificate.id}/versions`)).json()['items'] as {
          pem: string;
        }[];
        if (versions[0] !== undefined) return { pem: versions[0].pem };
        const found = (await api(platform(), 'GET', `/api/v1/jobs/${job}`)).json();
        return typeof found['last_error'] === 'string' ? { reason: found['last_error'] } : undefined;
      },
      60,
    );
  }

  const choose = (caId: string | null): Promise<Answer> =>
    api(platform(), 'PUT', '/api/v1/issuers/iss-local/issuing-ca', { issuing_ca_id: caId });

  return { registered, root, child, made, post, state, auditOf, issue, choose };
}
