import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { urlsOf } from '#domain/x509/lint-rules/facts.ts';
import { Oid } from '#domain/x509/oids.ts';
import { certificatesOfPem, toPem } from '#domain/x509/pem.ts';
import { api, request, startPlatform, until, type Platform } from '../platform.ts';
import { host, makeLeaf, makeRoot, makeSubordinate } from '../pki/made-hierarchy.ts';
import { has, run, succeed } from './tool.ts';

const pkilint = has('lint_pkix_cert');
const gnutls = has('certtool') && has('ocsptool');

/** What a judge may say without being an error of ours, and why it stays. What is not here fails, and so does what is here and never comes. */
const explained: readonly { readonly code: string; readonly about?: RegExp; readonly why: string }[] = [
  { code: 'cabf.serverauth.dv.common_name_attribute_present', why: 'old software still looks at the common name; divergences, RFC 5280 §4.1.2.6' },
  { code: 'cabf.serverauth.subscriber.subject_key_identifier_extension_present', why: 'RFC 5280 §4.2.1.2 recommends what BR §7.1.2.7.6 does not' },
  { code: 'cabf.serverauth.subscriber_rsa_digitalsignature_and_keyencipherment_present', why: 'TLS 1.2 with RSA key transport still needs both' },
  { code: 'pkix.invalid_uri_syntax', about: /localhost/, why: 'this platform is at localhost; the next test has the same at a public address' },
  { code: 'pkix.invalid_uri_syntax', about: /spiffe:/, why: 'the judge knows the schemes of the web alone; RFC 5280 §4.2.1.6 takes any' },
  { code: 'cabf.internal_domain_name', about: /localhost/, why: 'likewise' },
]; // prettier-ignore
const said = new Set<string>();

interface Finding {
  readonly code: string;
  readonly severity: string;
  readonly message?: string;
}

let documents = 0;

/** What a linter of pkilint has against a document, beyond what is explained. */
async function faults(tool: string, args: readonly string[], document: Uint8Array): Promise<string[]> {
  const file = join(folder, `document-${++documents}`);
  writeFileSync(file, document);
  const { output } = await run(tool, ['lint', ...args, '-s', 'WARNING', '-f', 'JSON', file]);
  const { results } = JSON.parse(output) as { results: { finding_descriptions: Finding[] }[] };
  return results
    .flatMap((result) => result.finding_descriptions)
    .flatMap(({ code, severity, message = '' }) => {
      const known = explained.find((entry) => entry.code === code && (entry.about?.test(message) ?? true));
      if (known === undefined) return [`${severity} ${code} ${message}`];
      said.add(code);
      return [];
    });
}

/** What is wrong with each of many documents, two at a time. */
async function faultsOf(
  all: readonly (readonly [what: string, tool: string, args: readonly string[], document: Uint8Array])[],
): Promise<string[]> {
  expect(all.length).toBeGreaterThan(0);
  const left = [...all];
  const found: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [what, tool, args, document] = next;
      found.push(...(await faults(tool, args, document)).map((fault) => `${what}: ${fault}`));
    }
  };
  await Promise.all([work(), work()]);
  return found;
}

/** A key and CSR by openssl. PEM. */
async function request10(folder: string, key: readonly string[], names: readonly string[], name: string): Promise<string> {
  const file = join(folder, `${name}.csr`);
  const subject = names.find((entry) => entry.startsWith('DNS:'))?.slice(4);
  await succeed('openssl', [
    'req', '-new', ...key, '-nodes', '-keyout', join(folder, `${name}.key`), '-out', file,
    '-subj', subject === undefined ? '/' : `/CN=${subject}`, '-addext', `subjectAltName=${names.join(',')}`,
  ]); // prettier-ignore
  return readFileSync(file, 'utf8');
}

const ecKey = (curve: string): string[] => ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`];
const keys: Readonly<Record<string, readonly string[]>> = {
  'P-256': ecKey('P-256'),
  'P-384': ecKey('P-384'),
  'P-521': ecKey('P-521'),
  'RSA-2048': ['-newkey', 'rsa:2048'],
  'RSA-3072': ['-newkey', 'rsa:3072'],
  'RSA-4096': ['-newkey', 'rsa:4096'],
  Ed25519: ['-newkey', 'ed25519'],
};

interface Issued {
  readonly what: string;
  readonly profile: string;
  readonly caId: string;
  readonly id: string;
  /** PEM, leaf first, without the root. */
  readonly chain: readonly string[];
}

let platform: Platform;
let folder: string;
const leaves: Issued[] = [];
const authorities = new Map<string, string>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'judges-'));
  platform = await startPlatform();
  const web = {
    id: 'web', name: 'Web', requirements: 'cabf_tls_br', policies: [Oid.domainValidated], extended_key_usages: ['serverAuth'],
    key_rules: [{ algorithm: 'ECDSA', min_size: 256 }, { algorithm: 'RSA', min_size: 2048 }],
  }; // prettier-ignore
  const mixed = { id: 'mixed', name: 'Mixed', must_staple: true, extended_key_usages: ['serverAuth', 'clientAuth', 'emailProtection'] };
  authorities.set('root-1', await certificateOf('root-1'));
  authorities.set('issuing-1', await certificateOf('issuing-1'));
  for (const algorithm of ['ECDSA-P384', 'ECDSA-P521', 'RSA-2048', 'RSA-3072', 'RSA-4096'])
    await authority(algorithm, { algorithm, crl_shards: algorithm === 'RSA-2048' ? 2 : 1 });
  const boundary = await authority('boundary', {
    path_len_constraint: 1,
    name_constraints: [{ permitted: ['dns:example.com', 'ip:10.0.0.0/8', 'email:.example.com'], excluded: ['dns:secret.example.com'] }],
    policies: ['1.3.6.1.4.1.99999.1'],
  });
  await authority('below the boundary', { parent_ca_id: boundary, path_len_constraint: 0 });
  const publicCa = await authority('public', {
    subject: { common_name: 'Example TLS CA 1', organization: 'Example', country: 'DE' },
    path_len_constraint: 0,
    policies: [Oid.domainValidated],
    extended_key_usages: [Oid.serverAuth],
    crl_shards: 4,
  });
  for (const profile of [{ ...web, ca_id: publicCa }, mixed])
    expect((await api(platform, 'POST', '/api/v1/profiles', profile)).status).toBe(201);
  for (const [key, args] of Object.entries(keys)) {
    leaves.push(await issue(`internal ${key}`, 'internal', args, ['DNS:host.corp.example', 'IP:10.1.2.3', 'IP:fd00::1']));
    if (key !== 'Ed25519') leaves.push(await issue(`web ${key}`, 'web', args, ['DNS:shop.example.com', 'DNS:*.shop.example.com']));
  }
  leaves.push(await issue('default P-256', 'default', keys['P-256']!, ['DNS:www.example.com']));
  leaves.push(
    await issue('mixed P-256', 'mixed', keys['P-256']!, ['DNS:a.example.com', 'email:a@example.com', 'URI:spiffe://example.com/a']),
  );
  leaves.push(await issue('nameless', 'mixed', keys['P-256']!, ['URI:spiffe://example.com/b']));
  for (const [what, id] of authorityIds) {
    if (what === 'public' || what === 'boundary') continue;
    expect((await api(platform, 'PUT', '/api/v1/issuers/iss-local/issuing-ca', { issuing_ca_id: id })).status).toBe(200);
    leaves.push(await issue(`under ${what}`, 'internal', keys['P-256']!, ['DNS:host.example.com']));
  }
  expect((await api(platform, 'POST', `/api/v1/certificates/${revoked().id}/revoke`, { reason: 'keyCompromise' })).status).toBe(200);
  const doomed = await authority('doomed', {});
  expect((await api(platform, 'POST', `/api/v1/intermediates/${doomed}/revoke`, { reason: 'cessationOfOperation' })).status).toBe(200);
}, 300_000);
afterAll(async () => {
  await platform.stop();
  rmSync(folder, { recursive: true, force: true });
});

const authorityIds = new Map<string, string>();

async function certificateOf(id: string): Promise<string> {
  return String((await api(platform, 'GET', `/api/v1/intermediates/${id}`)).json()['cert_pem']);
}

async function authority(what: string, body: object): Promise<string> {
  const answer = await api(platform, 'POST', '/api/v1/issuers/iss-local/intermediates', {
    name: what,
    parent_ca_id: 'root-1',
    subject: { common_name: `Judged ${what}`, organization: 'Example' },
    ...body,
  });
  expect(answer.status, answer.text).toBe(201);
  const { id, cert_pem } = answer.json() as { id: string; cert_pem: string };
  authorityIds.set(what, id);
  authorities.set(id, cert_pem);
  return id;
}

async function issue(what: string, profile: string, key: readonly string[], names: readonly string[]): Promise<Issued> {
  const name = what.replaceAll(' ', '-');
  const csr = await request10(folder, key, names, name);
  const created = await api(platform, 'POST', '/api/v1/certificates', { name, profile, csr });
  expect(created.status, created.text).toBe(202);
  const { id } = created.json()['certificate'] as { id: string };
  return until(`the certificate ${what}`, async () => {
    const [version] = (await api(platform, 'GET', `/api/v1/certificates/${id}/versions`)).json()['items'] as { pem: string }[];
    if (version === undefined) return undefined;
    const chain = certificatesOfPem(version.pem).map((der) => toPem('CERTIFICATE', der));
    const issuer = parseCertificate(certificatesOfPem(chain[1] ?? '')[0]!).subject;
    const caId = [...authorities].find(([, pem]) => parseCertificate(certificatesOfPem(pem)[0]!).subject.equals(issuer))?.[0] ?? '';
    return { what, profile, caId, id, chain };
  }, 60); // prettier-ignore
}

const revoked = (): Issued => leaves.find(({ what }) => what === 'web RSA-2048')!;
const leafOf = ({ chain }: Issued): Buffer => certificatesOfPem(chain[0] ?? '')[0] as Buffer;
const linterOf = (profile: string): readonly [string, readonly string[]] =>
  profile === 'web' ? ['lint_cabf_serverauth_cert', ['-t', 'DV-FINAL-CERTIFICATE']] : ['lint_pkix_cert', []];
/** One certificate of each CA that has signed leaves. */
const oneOfEach = (): readonly Issued[] => [...new Map(leaves.map((leaf) => [leaf.caId, leaf])).values()];

async function crlOf(url: string): Promise<Buffer> {
  const answer = await request(platform, url);
  expect(answer.status).toBe(200);
  return answer.body;
}

/** An OCSP response, DER, and the responder's certificate, PEM. */
async function ocspOf(
  leaf: Issued,
  digest: 'sha1' | 'sha256',
  nonce: boolean,
): Promise<{ readonly file: string; readonly responder: string }> {
  const [cert, issuer, file] = [1, 2, 3].map((n) => join(folder, `ocsp-${++documents}-${n}`)) as [string, string, string];
  writeFileSync(cert, leaf.chain[0] ?? '');
  writeFileSync(issuer, leaf.chain[1] ?? '');
  const url = `${platform.pkiUrl}/.well-known/pki/ocsp/${leaf.caId}`;
  const asked = ['ocsp', '-issuer', issuer, `-${digest}`, '-cert', cert, '-url', url, nonce ? '-nonce' : '-no_nonce', '-noverify'];
  await succeed('openssl', [...asked, '-respout', file]);
  const text = await succeed('openssl', ['ocsp', '-respin', file, '-text', '-noverify']);
  const [responder] = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(text) ?? [];
  expect(responder).toBeDefined();
  return { file, responder: responder ?? '' };
}

describe.skipIf(!pkilint)('pkilint finds no error, and no warning that is not explained', () => {
  test('in subscribers’ certificates of every profile and kind of key, under CAs of every kind of key', async () => {
    said.clear();
    expect(await faultsOf(leaves.map((leaf) => [leaf.what, ...linterOf(leaf.profile), leafOf(leaf)]))).toEqual([]);
    // An explanation that nothing needs any more goes.
    expect([...said].sort()).toEqual([...new Set(explained.map(({ code }) => code))].sort());
  });

  test('in the CAs, and between each CA and what it issued', async () => {
    const all = [...authorities].map(([id, pem]) => [id, 'lint_pkix_cert', [], Buffer.from(pem)] as const);
    const publicCa = Buffer.from(authorities.get(authorityIds.get('public') ?? '') ?? '');
    expect(await faultsOf([...all, ['public', 'lint_cabf_serverauth_cert', ['-t', 'INTERNAL-UNCONSTRAINED-TLS-CA'], publicCa]])).toEqual(
      [],
    );
    const pairs = oneOfEach().map((leaf) => {
      const issuer = join(folder, `issuer-${++documents}`);
      writeFileSync(issuer, leaf.chain[1] ?? '');
      return [leaf.what, 'lint_pkix_signer_signee_cert_chain', [issuer], leafOf(leaf)] as const;
    });
    expect(await faultsOf(pairs)).toEqual([]);
  });

  test('in the CRLs of CAs of every kind of key, whole and in shards, with entries and without, and in the root’s with a CA on it', async () => {
    const crls = await Promise.all(
      [...oneOfEach(), revoked()].map(async (leaf) => {
        const [url = ''] = urlsOf(parseCertificate(leafOf(leaf)), Oid.cRLDistributionPoints);
        return [`CRL for ${leaf.what}`, 'lint_crl', ['-t', 'CRL', '-p', leaf.profile === 'web' ? 'BR' : 'PKIX'], await crlOf(url)] as const;
      }),
    );
    const roots = [await crlOf(`${platform.pkiUrl}/.well-known/pki/crl/root-1.crl`)].map(
      (crl) => ['root', 'lint_crl', ['-t', 'ARL', '-p', 'BR'], crl] as const,
    );
    expect(await faultsOf([...crls, ...roots])).toEqual([]);
  });

  test('in OCSP responses, for both digests, with nonce and without, and in the certificates of their responders', async () => {
    const checked = [...oneOfEach(), revoked()].flatMap((leaf) => [[leaf, 'sha1', false], [leaf, 'sha256', true]] as const); // prettier-ignore
    const all: (readonly [string, string, readonly string[], Buffer])[] = [];
    for (const [leaf, digest, nonce] of checked) {
      const { file, responder } = await ocspOf(leaf, digest, nonce);
      all.push([`OCSP for ${leaf.what}`, 'lint_ocsp_response', [], readFileSync(file)]);
      const args =
        leaf.profile === 'web' ? (['lint_cabf_serverauth_cert', ['-t', 'OCSP-RESPONDER']] as const) : (['lint_pkix_cert', []] as const);
      if (!nonce) all.push([`responder for ${leaf.what}`, ...args, Buffer.from(responder)]);
    }
    expect(await faultsOf(all)).toEqual([]);
  });

  test('in what is issued for a platform at a public address', async () => {
    const root = await makeRoot();
    const { authority: below } = await makeSubordinate(root, 'Issuing');
    const leaf = await makeLeaf(below, ['www.example.com', '*.example.com'].map(host), {
      requirements: 'cabf_tls_br',
      policies: [Oid.domainValidated],
    });
    said.clear();
    expect(
      await faultsOf([
        ['leaf', 'lint_cabf_serverauth_cert', ['-t', 'DV-FINAL-CERTIFICATE'], leaf],
        ['CA', 'lint_pkix_cert', [], Buffer.from(below.path[1] ?? [])],
      ]),
    ).toEqual([]);
    expect([...said].filter((code) => explained.some((entry) => entry.code === code && entry.about !== undefined))).toEqual([]);
  });
});

describe.skipIf(!gnutls)('GnuTLS accepts', () => {
  test('the chain of every certificate up to the root', async () => {
    for (const leaf of leaves) {
      const file = join(folder, `chain-${++documents}`);
      writeFileSync(file, [...leaf.chain, authorities.get('root-1') ?? ''].join('\n'));
      expect([leaf.what, await succeed('certtool', ['--verify-chain', '--infile', file])]).toEqual([
        leaf.what,
        expect.stringContaining('Chain verification output: Verified. The certificate is trusted.') as unknown,
      ]);
    }
  });

  test('the CRL of every CA, and OCSP responses of good and revoked certificates', async () => {
    for (const leaf of [...oneOfEach(), revoked()]) {
      const [issuer, crl, cert] = ['issuer', 'crl', 'cert'].map((name) => join(folder, `${name}-${++documents}`)) as [
        string,
        string,
        string,
      ];
      const [url = ''] = urlsOf(parseCertificate(leafOf(leaf)), Oid.cRLDistributionPoints);
      writeFileSync(issuer, leaf.chain[1] ?? '');
      writeFileSync(cert, leaf.chain[0] ?? '');
      writeFileSync(crl, toPem('X509 CRL', await crlOf(url)));
      const verified = await succeed('certtool', ['--verify-crl', '--load-ca-certificate', issuer, '--infile', crl]);
      expect([leaf.what, verified]).toEqual([leaf.what, expect.stringContaining('Verified.') as unknown]);
      const { file } = await ocspOf(leaf, 'sha256', false);
      const response = await succeed('ocsptool', ['--verify-response', '--load-trust', issuer, '--load-response', file]);
      expect(response).toContain(`Certificate Status: ${leaf === revoked() ? 'revoked' : 'good'}`);
      expect([leaf.what, response]).toEqual([leaf.what, expect.stringContaining('Verifying OCSP Response: Success') as unknown]);
    }
  });
});
