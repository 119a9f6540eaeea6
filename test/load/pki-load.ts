import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import pg from 'pg';
import { openDatabase, type Database } from '#adapters/postgres/database.ts';
import { issuanceStore } from '#adapters/postgres/issuance.ts';
import { ocspResponseStore } from '#adapters/postgres/ocsp-responses.ts';
import { revocationStore } from '#adapters/postgres/revocations.ts';
import { bitString, bitStringOctets, children, explicit, integer, oid, readDer, sequence, setOf } from '#domain/asn1/der.ts';
import { assertKeyAllowed } from '#domain/issuance/key-policy.ts';
import { prepareLeaf, signIntent, type SigningAuthority } from '#domain/issuance/issue.ts';
import type { Profile } from '#domain/issuance/profile.ts';
import { crlEntries, type CrlEntry } from '#domain/revocation/crl-entries.ts';
import { lintTbsCrl } from '#domain/revocation/crl-lint.ts';
import { buildTbsCrl, signCrl } from '#domain/revocation/crl.ts';
import { certIdMatches, certIdOf, parseOcspRequest } from '#domain/revocation/ocsp-request.ts';
import { buildOcspResponse } from '#domain/revocation/ocsp-response.ts';
import { parseCsr } from '#domain/x509/csr.ts';
import { writeExtension } from '#domain/x509/extension.ts';
import { writeGeneralName } from '#domain/x509/general-name.ts';
import type { IssuerInfo } from '#domain/x509/leaf.ts';
import { writeName } from '#domain/x509/name.ts';
import { Oid } from '#domain/x509/oids.ts';
import { keyIdentifier } from '#domain/x509/public-key.ts';
import { newSerial } from '#domain/x509/serial.ts';
import { algorithmIdentifier } from '#domain/x509/signer.ts';
import { softwareSigner } from '#domain/x509/software-signer.ts';
import { ocspService } from '#functions/revocation/ocsp.ts';
import type { Responder } from '#functions/revocation/responders.ts';
import { madeProfile, makeRoot, makeSubordinate } from '../pki/made-hierarchy.ts';

/**
 * One measurement in a process of its own: `node pki-load.ts leaf|ocsp|crl|store|prepared [socket folder]`. Raw crypto and the platform's code take turns, so that
 * whatever else the machine does meets both; what counts is the best of the turns.
 */
const batch = 100;
const turns = 150;
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pkiBaseUrl = 'http://pki.example';
const profile: Profile = { ...madeProfile, keyRules: [{ algorithm: 'ECDSA', min_size: 256 }] };
const madeAuthority = async (): Promise<SigningAuthority> =>
  (await makeSubordinate(await makeRoot(), 'Issuing', { pathLength: 0 })).authority;

async function cpuMicros(work: (index: number) => unknown, from: number): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < batch; i++) await work(from + i);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / batch;
}

/** Operations per second of CPU, ours and the crypto's alone. */
async function compared(raw: (index: number) => unknown, ours: (index: number) => unknown): Promise<{ raw: number; ours: number }> {
  const best = { raw: Infinity, ours: Infinity };
  for (let turn = 0; turn < turns; turn++) {
    best.raw = Math.min(best.raw, await cpuMicros(raw, turn * batch));
    best.ours = Math.min(best.ours, await cpuMicros(ours, turn * batch));
  }
  return { raw: 1e6 / best.raw, ours: 1e6 / best.ours };
}

async function csrs(count: number): Promise<readonly Buffer[]> {
  const made: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const subscriber = softwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    const name = `host-${i}.example.com`;
    const names = writeExtension(Oid.subjectAltName, false, sequence(writeGeneralName({ type: 'dns', value: name })));
    const attributes = explicit(0, sequence(oid(Oid.extensionRequest), setOf(sequence(names))));
    const info = sequence(integer(0), writeName({ commonName: name }), subscriber.publicKeySpki, attributes);
    made.push(sequence(info, algorithmIdentifier[subscriber.algorithm], bitString(await subscriber.sign(info))));
  }
  return made;
}

async function leaf(): Promise<object> {
  const authority = await madeAuthority();
  const requests = await csrs(1000);
  const parts = requests.map((der) => {
    const [info, , signature] = children(readDer(der));
    return { info: info!.raw, signature: bitStringOctets(signature!), spki: children(info!)[2]!.raw };
  });
  return compared(
    (index) => {
      const { info, signature, spki } = parts[index % parts.length]!;
      const subscriber = createPublicKey({ key: spki, format: 'der', type: 'spki' });
      if (!verify('sha256', info, subscriber, signature)) throw new Error('a bad signature');
      return sign('sha256', info, key.privateKey);
    },
    async (index) => {
      const csr = parseCsr(requests[index % requests.length]!);
      assertKeyAllowed(csr.publicKey, profile.keyRules);
      const intent = prepareLeaf({
        authority,
        profile,
        idempotencyKey: 'order',
        serial: newSerial(randomBytes(16)),
        publicKey: csr.publicKey,
        names: csr.subjectAltNames,
        now: Date.now(),
        pkiBaseUrl,
        crlShards: [],
      });
      return signIntent(intent, authority.signer, 'cert');
    },
  );
}

function issuerOf(spki: Uint8Array): IssuerInfo {
  const subject = writeName({ commonName: 'Issuing' });
  return { subject, keyIdentifier: keyIdentifier(spki), notBefore: new Date(0), notAfter: new Date(Date.now() + 1e12), spki };
}

async function ocsp(): Promise<object> {
  const signer = softwareSigner(key.privateKey);
  const issuer = issuerOf(signer.publicKeySpki);
  const responder = { signer, certificate: randomBytes(450), keyHash: issuer.keyIdentifier };
  const requests = Array.from({ length: 1000 }, () =>
    sequence(sequence(sequence(sequence(certIdOf(issuer, newSerial(randomBytes(16))).der)))),
  );
  const data = randomBytes(200);
  return compared(
    () => sign('sha256', data, key.privateKey),
    async (index) => {
      const request = parseOcspRequest(requests[index % requests.length]!);
      if (!request.certIds.every((certId) => certIdMatches(certId, issuer))) throw new Error('another issuer');
      const thisUpdate = new Date(Math.floor(Date.now() / 1000) * 1000);
      const nextUpdate = new Date(thisUpdate.getTime() + 3_600_000);
      const singles = request.certIds.map((certId) => ({ certId, status: { status: 'good' } as const, thisUpdate, nextUpdate }));
      return createHash('sha256')
        .update(await buildOcspResponse(responder, { producedAt: thisUpdate, singles }))
        .digest();
    },
  );
}

async function crl(): Promise<object> {
  const count = 1_000_000;
  const signer = softwareSigner(key.privateKey);
  const issuer = issuerOf(signer.publicKeySpki);
  const now = Date.now();
  function* rows(): Generator<CrlEntry> {
    for (let i = 0; i < count; i++) {
      const serial = (i * 2_654_435_761 + 2 ** 52).toString(16) + i.toString(16).padStart(19, '0');
      yield { serial, revokedAt: new Date(now - ((i * 7919) % 1_000_000) * 1000), reason: [0, 1, 4, 5][i % 4]! };
    }
  }
  const before = process.cpuUsage();
  const thisUpdate = new Date(now);
  const entries = crlEntries(rows());
  const point = undefined;
  const tbs = buildTbsCrl(issuer, signer.algorithm, { number: 1n, thisUpdate, nextUpdate: new Date(now + 86_400_000), entries, point });
  const [finding] = lintTbsCrl(tbs, { issuer, point });
  if (finding !== undefined) throw new Error(finding.rule);
  const { length } = await signCrl(signer, tbs);
  const { user, system } = process.cpuUsage(before);
  return { seconds: (user + system) / 1e6, megabytes: process.resourceUsage().maxRSS / 1024, bytes: length };
}

async function store(socketFolder: string): Promise<object> {
  const callers = 16;
  const count = 8000;
  const owner = { host: socketFolder, user: 'certctl_owner', database: 'certctl' };
  const client = new pg.Client(owner);
  await client.connect();
  const version = Number((await client.query<{ version: number }>(`SELECT version FROM profiles WHERE id = 'internal'`)).rows[0]?.version);
  await client.query(`INSERT INTO acme_accounts (id, profile_id, jwk, jwk_thumbprint, open_orders)
    SELECT 'bench-' || n, 'internal', '{}', 'bench-' || n, ${count} FROM generate_series(0, ${callers - 1}) n`);
  await client.query(`INSERT INTO acme_orders (id, account_id, profile_id, auth_mode, status, identifiers, expires_at)
    SELECT 'bench-' || n, 'bench-' || (n % ${callers}), 'internal', 'trust_authenticated', 'ready', '[]', now() + interval '1 day'
    FROM generate_series(0, ${count - 1}) n`);
  await client.end();
  const database = openBench(socketFolder, callers);
  const issuance = issuanceStore(database);
  const authority = { ...(await madeAuthority()), id: 'issuing-1' };
  const requests = await csrs(500);
  const latencies: number[] = [];
  const began = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      const who = { accountId: `bench-${caller}`, profileId: 'internal', thumbprint: `bench-${caller}` };
      for (let n = caller; n < count; n += callers) {
        const start = performance.now();
        const csr = parseCsr(requests[n % requests.length]!);
        const intent = prepareLeaf({
          authority,
          profile,
          idempotencyKey: `bench-${n}`,
          serial: newSerial(randomBytes(16)),
          publicKey: csr.publicKey,
          names: csr.subjectAltNames,
          now: Date.now(),
          pkiBaseUrl,
          crlShards: [],
        });
        const limits = { profileVersion: version, leaseSeconds: 30 };
        if (!(await issuance.beginFinalize(who, intent.idempotencyKey, csr.der, intent, limits))) throw new Error('not begun');
        const certificate = await signIntent(intent, authority.signer, `bench-${n}`);
        if (!(await issuance.completeFinalize(intent.idempotencyKey, certificate))) throw new Error('not completed');
        latencies.push(performance.now() - start);
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  await database.close();
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(latencies[Math.floor(latencies.length * share)] ?? 0);
  return { perSecond: count / seconds, p50ms: at(0.5), p99ms: at(0.99) };
}

/** What the handler does for a question whose response is stored, the database's client included. */
async function prepared(socketFolder: string): Promise<object> {
  const owner = { host: socketFolder, user: 'certctl_owner', database: 'certctl' };
  const client = new pg.Client(owner);
  await client.connect();
  const { rows } = await client.query<{ serial: string }>(`SELECT serial FROM certificates WHERE id LIKE 'bench-%' LIMIT 500`);
  const signer = softwareSigner(key.privateKey);
  const issuer = issuerOf(signer.publicKeySpki);
  await client.query(
    `INSERT INTO ocsp_responders (id, ca_id, serial, certificate, sealed_key, not_before, not_after)
     VALUES ('bench', 'issuing-1', '1', '', '', now() - interval '2 days', now() - interval '1 day')`,
  );
  await client.end();
  const database = openBench(socketFolder, 1);
  const responder: Responder = {
    id: 'bench',
    signer,
    certificate: randomBytes(450),
    keyHash: issuer.keyIdentifier,
    issuer,
    rotateAt: Infinity,
    certId: (serial) => certIdOf(issuer, serial),
  };
  const ask = ocspService({
    statuses: revocationStore(database),
    responses: ocspResponseStore(database),
    responder: async () => responder,
    unlessRestored: (_caId, work) => work(),
    now: () => Date.now(),
  });
  const urls = rows.map(({ serial }) => sequence(sequence(sequence(sequence(certIdOf(issuer, serial).der)))).toString('base64url'));
  let status = 0;
  const serve = async (index: number): Promise<void> => {
    const tail = urls[index % urls.length] ?? '';
    status = (
      await ask('issuing-1', tail, { method: 'GET', headers: {}, path: '', query: '', sourceIp: '', body: Buffer.alloc(0) } as never)
    ).status;
  };
  // The first round signs and stores.
  for (let i = 0; i < urls.length; i++) await serve(i);
  let best = Infinity;
  for (let turn = 0; turn < turns; turn++) best = Math.min(best, await cpuMicros(serve, turn * batch));
  await database.close();
  return { milliseconds: best / 1000, status };
}

function openBench(socketFolder: string, connections: number): Database {
  return openDatabase({
    host: socketFolder,
    database: 'certctl',
    port: 5432,
    credentials: async () => ({ user: 'certctl_owner', password: undefined }),
    tls: false,
    connections,
    connectTimeoutMs: 20_000,
    application: 'bench',
  });
}

const [, , which, socketFolder] = process.argv;
const cases: Readonly<Record<string, () => Promise<object>>> = {
  leaf,
  ocsp,
  crl,
  store: () => store(socketFolder ?? ''),
  prepared: () => prepared(socketFolder ?? ''),
};
const run = cases[which ?? ''];
if (run === undefined) throw new Error('leaf, ocsp, crl, store or prepared');
console.log(JSON.stringify(await run()));
