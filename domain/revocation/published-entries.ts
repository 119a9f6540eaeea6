import { contentEnd, contentStart, cursor, DerError, readDer, smallInteger, Tag, timeAt } from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { extensionElement, readExtensions } from '../x509/extension.ts';
import { Oid } from '../x509/oids.ts';
import type { CrlEntry } from './crl-entries.ts';
import { headerOf } from './crl.ts';

/** The entries of a CRL of ours, one at a time, for there may be a million. @param crl CertificateList, DER @throws {CaError} `internal` */
export function* publishedEntries(crl: Uint8Array): Generator<CrlEntry> {
  try {
    const [tbs] = [cursor(readDer(crl, Number.MAX_SAFE_INTEGER), Tag.sequence).next(Tag.sequence)];
    const list = headerOf(tbs).parts[5];
    if (list?.tag !== Tag.sequence) return;
    const bytes = list.content;
    for (let at = 0; at < bytes.length;) {
      const serial = contentStart(bytes, at);
      const end = contentEnd(bytes, at, serial);
      const octets = contentStart(bytes, serial);
      const date = contentEnd(bytes, serial, octets);
      const more = contentEnd(bytes, date, contentStart(bytes, date));
      if (bytes[at] !== Tag.sequence || bytes[serial] !== Tag.integer || more > end) throw new DerError('a malformed entry');
      yield {
        serial: bytes.toString('hex', octets, date).replace(/^0+(?=.)/, ''),
        revokedAt: new Date(timeAt(bytes, date, more)),
        reason: more === end ? 0 : reasonOf(bytes.subarray(more, end)),
      };
      at = end;
    }
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw new CaError('internal', 'a published CRL is malformed', { cause });
  }
}

function reasonOf(extensions: Buffer): number {
  const reason = readExtensions(readDer(extensions)).find(({ id }) => id === Oid.cRLReason);
  return reason === undefined ? 0 : smallInteger(extensionElement(reason));
}
