import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { urlsOf } from '#domain/x509/lint-rules/facts.ts';
import { Oid } from '#domain/x509/oids.ts';
import { readPathCrl } from '#domain/x509/path/crl.ts';
import { fromPem } from '#domain/x509/pem.ts';
import { request, type Platform } from '../platform.ts';

/** A certificate and who signed it, PEM. */
export interface Judged {
  readonly leaf: string;
  readonly issuer: string;
  /** In the path of the CA's addresses. */
  readonly ca: string;
}

/** Canonical hex. */
export function serialOf({ leaf }: Pick<Judged, 'leaf'>): string {
  return new X509Certificate(leaf).serialNumber.toLowerCase().replace(/^0+(?=.)/, '');
}

/** `good`, `unknown`, `revoked` with its reason after a colon, or the failure, as openssl understood a verified answer to a POST. */
export function ocspStatus(platform: Platform, { leaf, issuer, ca }: Judged): string {
  const folder = mkdtempSync(join(tmpdir(), 'ocsp-'));
  try {
    writeFileSync(join(folder, 'leaf.pem'), leaf);
    writeFileSync(join(folder, 'issuer.pem'), issuer);
    const { stdout, stderr } = spawnSync(
      'openssl',
      ['ocsp', '-issuer', 'issuer.pem', '-cert', 'leaf.pem', '-CAfile', 'issuer.pem', '-partial_chain', '-no_nonce', '-url', `${platform.pkiUrl}/.well-known/pki/ocsp/${ca}`],
      { cwd: folder, encoding: 'utf8' },
    ); // prettier-ignore
    const text = stdout + stderr;
    const status = /^leaf\.pem: (\w+)/m.exec(text)?.[1];
    if (status !== undefined && !text.includes('Response verify OK')) throw new Error(`the answer does not verify: ${text}`);
    // What the RFC writes cACompromise is caCompromise to everybody else.
    const reason = /Reason: (\w+)/.exec(text)?.[1]?.replace('cAC', 'caC');
    return [status ?? text.trim(), reason].filter((part) => part !== undefined).join(':');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Where a certificate says that its CRL is. */
export function pointOf({ leaf }: Pick<Judged, 'leaf'>): string {
  return urlsOf(parseCertificate(fromPem('CERTIFICATE', leaf)), Oid.cRLDistributionPoints)[0] ?? '';
}

/** The part of a CRL's URL that tells one from another: a CA's id, or that and a shard. */
export function listOf(url: string): string {
  return /\/crl\/(.+)\.crl$/.exec(url)?.[1] ?? '';
}

/** The entries of a published CRL, serial to reason code, and its number. @param list path below `/.well-known/pki/crl/` */
export async function publishedList(
  platform: Platform,
  list: string,
): Promise<{ readonly number: bigint; readonly entries: ReadonlyMap<string, number>; readonly der: Buffer }> {
  const { status, body } = await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/${list}.crl`);
  if (status !== 200) throw new Error(`CRL ${list}: ${status} ${body.toString()}`);
  const read = readPathCrl(body);
  const entries = [...read.entries.values()].flatMap((bySerial) => [...bySerial]);
  return {
    number: read.number ?? 0n,
    entries: new Map(entries.map(([serial, reason]) => [serial.replace(/^0+(?=.)/, ''), reason])),
    der: body,
  };
}
