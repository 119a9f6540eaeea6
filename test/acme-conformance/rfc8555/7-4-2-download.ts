import { account } from '../account.ts';
import { must, type Case } from '../case.ts';
import { chainOf } from '../certificate.ts';
import { post } from '../client.ts';
import { certificate } from '../order.ts';
import type { Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { hold, linksOf, NotApplicable, succeeded } from '../verdict.ts';

const clause = 'RFC 8555 §7.4.2';
const chainType = 'application/pem-certificate-chain';

async function downloaded(subject: Subject): Promise<HttpAnswer> {
  const { certificate: url } = await certificate(subject);
  return succeeded('the download', await post(await account(subject), url, undefined, { accept: chainType }), 200);
}

export const downloads: readonly Case[] = [
  must(clause, `a certificate comes as ${chainType}`, async (subject) => {
    const type = (await downloaded(subject)).headers['content-type'] ?? 'absent';
    hold(type.split(';')[0]?.trim() === chainType, `the content type is ${type}`);
  }),
  must(clause, 'the first certificate is for the key and the names of the order', async (subject) => {
    const { key, order } = await certificate(subject);
    const [leaf] = chainOf((await downloaded(subject)).body);
    hold(leaf !== undefined, 'there is no certificate');
    const spki = { type: 'spki', format: 'der' } as const;
    hold(leaf.publicKey.export(spki).equals(key.publicKey.export(spki)), 'the key is not the one of the CSR');
    const names = (leaf.subjectAltName ?? '').split(', ').sort().join(' ');
    const wanted = order.identifiers
      .map(({ value }) => `DNS:${value}`)
      .sort()
      .join(' ');
    hold(names === wanted, `the names are ${names}, not ${wanted}`);
  }),
  must(clause, 'each further certificate certifies the one before', async (subject) => {
    const chain = chainOf((await downloaded(subject)).body);
    for (const [index, issuer] of chain.slice(1).entries()) {
      const subject = chain[index];
      hold(subject?.verify(issuer.publicKey) === true, `certificate ${index + 2} did not sign certificate ${index + 1}`);
    }
  }),
  must(clause, 'the file holds certificates and nothing else', async (subject) => {
    const { body } = await downloaded(subject);
    const labels = new Set([...body.matchAll(/-----BEGIN ([^-]*)-----/g)].map(([, label]) => label));
    hold([...labels].join() === 'CERTIFICATE', `the file holds ${[...labels].join(', ')}`);
    const rest = body.replace(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g, '').trim();
    hold(rest === '', `the file has text around the certificates: ${rest.slice(0, 100)}`);
  }),
  must(clause, 'alternate chains are certificates for the same key', async (subject) => {
    const first = await downloaded(subject);
    const alternates = linksOf(first, 'alternate');
    if (alternates.length === 0) throw new NotApplicable('the server offers no alternate chain');
    for (const url of alternates) {
      const other = succeeded('an alternate chain', await post(await account(subject), url), 200);
      const [leaf, twin] = [chainOf(first.body)[0], chainOf(other.body)[0]];
      hold(leaf !== undefined && twin?.publicKey.equals(leaf.publicKey) === true, `the chain at ${url} is for another key`);
    }
  }),
  must(clause, 'a second download is the same certificate', async (subject) => {
    const { download } = await certificate(subject);
    hold((await downloaded(subject)).body === download.body, 'the second download differs from the first');
  }),
];
