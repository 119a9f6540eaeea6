import { X509Certificate } from 'node:crypto';
import { hold } from './verdict.ts';

/** The certificates of a download, leaf first. */
export function chainOf(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** DER of the leaf. */
export function leafOf(pem: string): Buffer {
  const [leaf] = chainOf(pem);
  hold(leaf !== undefined, 'the download has no certificate');
  return leaf.raw;
}

interface Element {
  readonly tag: number;
  readonly body: Buffer;
  readonly end: number;
}

function element(der: Buffer, start: number): Element {
  const first = der[start + 1] ?? 0;
  const more = first < 0x80 ? 0 : first & 0x7f;
  const length = more === 0 ? first : der.readUIntBE(start + 2, more);
  const from = start + 2 + more;
  return { tag: der[start] ?? 0, body: der.subarray(from, from + length), end: from + length };
}

function elements(der: Buffer): readonly Element[] {
  const found: Element[] = [];
  for (let at = 0; at < der.length;) {
    const next = element(der, at);
    found.push(next);
    at = next.end;
  }
  return found;
}

const authorityKeyIdentifier = Buffer.from('551d23', 'hex');

/** The identifier of a certificate (RFC 9773 §4.1); undefined when it has no authority key identifier. */
export function certIdOf(der: Buffer): string | undefined {
  const [tbs] = elements(element(der, 0).body);
  const fields = elements(tbs?.body ?? Buffer.alloc(0));
  const serial = fields.find(({ tag }) => tag === 0x02)?.body;
  const extensions = elements(element(fields.find(({ tag }) => tag === 0xa3)?.body ?? Buffer.alloc(2), 0).body).map(({ body }) =>
    elements(body),
  );
  const value = extensions.find(([id]) => id?.body.equals(authorityKeyIdentifier))?.at(-1)?.body;
  const keyIdentifier = value && elements(element(value, 0).body).find(({ tag }) => tag === 0x80)?.body;
  return serial && keyIdentifier && `${keyIdentifier.toString('base64url')}.${serial.toString('base64url')}`;
}
