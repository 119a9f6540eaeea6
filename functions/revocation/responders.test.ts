import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Envelope } from '#adapters/kms/envelope.ts';
import { signingAuthority } from '#domain/issuance/issue.ts';
import { buildOcspResponse } from '#domain/revocation/ocsp-response.ts';
import type { ResponderStore, StoredResponder } from '#domain/revocation/responder-store.ts';
import { buildTbsRoot } from '#domain/x509/authority.ts';
import { signCertificate } from '#domain/x509/leaf.ts';
import { softwareSigner } from '#domain/x509/software-signer.ts';
import { responders } from './responders.ts';

const dayMs = 86_400_000;
const start = Date.parse('2030-01-01T00:00:00Z');

/** Seals nothing: what is sealed where is judged elsewhere. */
const open: Envelope = { seal: async (plain) => Buffer.from(plain), unseal: async (sealed) => Buffer.from(sealed) };

async function ca(livesDays: number) {
  const signer = softwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const terms = {
    serial: '1',
    commonName: 'CA',
    spki: signer.publicKeySpki,
    notBefore: new Date(start),
    notAfter: new Date(start + livesDays * dayMs),
  };
  return signingAuthority('ca', [await signCertificate(signer, buildTbsRoot(signer.algorithm, terms))], signer);
}

/** Rows as the database keeps them; whoever comes second gets the first's. */
function memory(): ResponderStore & { readonly rows: StoredResponder[] } {
  const rows: StoredResponder[] = [];
  return {
    rows,
    authorityExists: async (id) => id === 'ca',
    async ensure(_caId, usableUntil, make) {
      const known = rows.at(-1);
      if (known !== undefined && known.notAfter > usableUntil) return known;
      const candidate = await make(known?.id);
      const winner = rows.at(-1);
      if (winner !== undefined && winner.id !== known?.id) return winner;
      rows.push(candidate);
      return candidate;
    },
  };
}

async function service(livesDays = 3650) {
  const authority = await ca(livesDays);
  const store = memory();
  let now = start;
  const chance = { now: () => now, random: (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)) };
  const responder = responders({ store, authority: async () => authority, envelope: open, chance });
  return { authority, store, responder, at: (days: number) => void (now = start + days * dayMs) };
}

test('case 20: a responder near its end is replaced by one that knows whom it follows, and what it signed still verifies', async () => {
  const { authority, store, responder, at } = await service();
  const first = await responder('ca');
  at(19);
  expect((await responder('ca'))?.id).toBe(first?.id);
  const single = {
    certId: first!.certId('12'),
    status: { status: 'good' } as const,
    thisUpdate: new Date(start),
    nextUpdate: new Date(start + dayMs),
  };
  const answer = await buildOcspResponse(first!, { producedAt: new Date(start), singles: [single] });
  at(21);
  const second = await responder('ca');
  expect([second?.id === first?.id, store.rows.map(({ rotatedFrom }) => rotatedFrom)]).toEqual([false, [undefined, first?.id]]);
  // The answer carries the certificate of its signer, which lives on and is its CA's.
  expect(answer).toSatisfy((bytes: Uint8Array) => Buffer.from(bytes).includes(Buffer.from(first!.certificate)));
  const certificate = new X509Certificate(first!.certificate);
  expect([
    Date.parse(certificate.validTo) > start + 21 * dayMs,
    certificate.verify(new X509Certificate(authority.chain[0]!).publicKey),
  ]).toEqual([true, true]);
});

test('however many ask at once, there is one responder; another CA has none', async () => {
  const { store, responder } = await service();
  const all = await Promise.all(Array.from({ length: 20 }, () => responder('ca')));
  expect([new Set(all.map((one) => one?.id)).size, store.rows.length]).toEqual([1, 1]);
  expect(await responder('nobody')).toBe(undefined);
});

test('near the end of its CA a responder ends with it, and is not made anew with every question', async () => {
  const { authority, store, responder, at } = await service(40);
  await responder('ca');
  at(35);
  for (let question = 0; question < 5; question++) await responder('ca');
  expect(store.rows.length).toBe(2);
  expect(store.rows.at(-1)?.notAfter).toEqual(authority.issuer.notAfter);
});
