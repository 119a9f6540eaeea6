import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, succeed } from '../interop/tool.ts';
import { request, until, type Target } from '../platform.ts';

/** A certificate with the files and addresses that judge it. */
export interface Judged {
  readonly leaf: string;
  readonly issuer: string;
  readonly root: string;
  readonly ocspUrl: string;
  readonly crlUrl: string;
}

/** Follows a certificate's own addresses up to the root, as a client that knows nothing else does (RFC 5280 §4.2.2.1). */
export async function judged(target: Target, folder: string, leaf: string, issuer: string): Promise<Judged> {
  const text = await succeed('openssl', ['x509', '-in', leaf, '-noout', '-ext', 'crlDistributionPoints,authorityInfoAccess']);
  const ocspUrl = /OCSP - URI:(\S+)/.exec(text)?.[1];
  const crlUrl = /Full Name:\s+URI:(\S+)/.exec(text)?.[1];
  if (ocspUrl === undefined || crlUrl === undefined) throw new Error(`the certificate names no OCSP or CRL address:\n${text}`);
  const root = join(folder, 'root.pem');
  writeFileSync(root, await rootOf(target, issuer));
  return { leaf, issuer, root, ocspUrl, crlUrl };
}

async function rootOf(target: Target, issuer: string): Promise<string> {
  const access = await succeed('openssl', ['x509', '-in', issuer, '-noout', '-ext', 'authorityInfoAccess']);
  const url = /CA Issuers - URI:(\S+)/.exec(access)?.[1];
  if (url === undefined) throw new Error('the issuing CA does not name its issuer');
  const answer = await request(target, url);
  if (answer.status !== 200) throw new Error(`${url} answers ${answer.status}`);
  return new X509Certificate(answer.body).toString();
}

/** What `openssl ocsp` says of an answer that came by POST. */
export async function ocspStatus(target: Target, folder: string, { leaf, issuer, root, ocspUrl }: Judged): Promise<string> {
  const [asked, answered] = [join(folder, 'ocsp.req'), join(folder, 'ocsp.resp')];
  await succeed('openssl', ['ocsp', '-issuer', issuer, '-cert', leaf, '-no_nonce', '-reqout', asked]);
  const answer = await request(target, ocspUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/ocsp-request' },
    body: readFileSync(asked),
  });
  if (answer.status !== 200) throw new Error(`${ocspUrl} answers ${answer.status}: ${answer.text.slice(0, 200)}`);
  writeFileSync(answered, answer.body);
  const { output } = await run('openssl', ['ocsp', '-issuer', issuer, '-cert', leaf, '-no_nonce', '-respin', answered, '-CAfile', root]);
  if (!output.includes('Response verify OK')) throw new Error(output);
  return /: (good|revoked|unknown)/.exec(output)?.[1] ?? output;
}

/** Serial numbers on the CRL, upper-case hex; openssl verifies its signature. */
export async function crlSerials(target: Target, folder: string, { issuer, crlUrl }: Judged): Promise<readonly string[]> {
  const answer = await request(target, crlUrl);
  if (answer.status !== 200) throw new Error(`${crlUrl} answers ${answer.status}`);
  const file = join(folder, 'newest.crl');
  writeFileSync(file, answer.body);
  const { output } = await run('openssl', ['crl', '-inform', 'DER', '-in', file, '-CAfile', issuer, '-noout', '-text']);
  if (!output.includes('verify OK')) throw new Error(output);
  return [...output.matchAll(/Serial Number: ([0-9A-F]+)/g)].map((match) => match[1] ?? '');
}

/** Waits until the CRL lists a certificate. A cache may keep an older one for a minute. */
export function untilListed(target: Target, folder: string, of: Judged, serial: string): Promise<true> {
  return until(
    'the CRL lists the certificate',
    async () => ((await crlSerials(target, folder, of)).includes(serial) ? true : undefined),
    90,
  );
}
