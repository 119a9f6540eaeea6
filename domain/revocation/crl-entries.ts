import { der, putTime, sequence, Tag } from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { writeExtension } from '../x509/extension.ts';
import { Oid } from '../x509/oids.ts';

/** One revoked certificate (RFC 5280 §5.1.2.6). */
export interface CrlEntry {
  /** Canonical hex. */
  readonly serial: string;
  readonly revokedAt: Date;
  /** CRLReason; 0 is left out (§5.3.1). */
  readonly reason: number;
}

/** Entries as they stand in revokedCertificates, for a CRL may have a million of them: a row is written as it comes and needs not be kept. */
export interface CrlEntries {
  readonly count: number;
  /** DER of all entries, cut anywhere between two. */
  readonly parts: readonly Uint8Array[];
}

export interface CrlEntryList extends CrlEntries {
  /** @throws {CaError} `internal` when a serial is not canonical: a row that cannot be published must not vanish */
  add(entry: CrlEntry): void;
}

// Head 2, INTEGER 23, GeneralizedTime 17, crlEntryExtensions 14: an entry's length always fits one octet.
const maxEntryBytes = 56;
const partBytes = 1024 * 1024;
const maxSerialDigits = 40;
const reasons = new Map<number, Buffer>();

/** An empty list. */
export function crlEntryList(): CrlEntryList {
  const full: Uint8Array[] = [];
  let part = Buffer.alloc(0);
  let at = 0;
  let count = 0;
  return {
    get count() {
      return count;
    },
    get parts() {
      return at === 0 ? full : [...full, part.subarray(0, at)];
    },
    add({ serial, revokedAt, reason }) {
      if (at + maxEntryBytes > part.length) {
        if (at > 0) full.push(part.subarray(0, at));
        // The first is small, for most lists are.
        part = Buffer.allocUnsafeSlow(part.length === 0 ? 4096 : partBytes);
        at = 0;
      }
      let end = putTime(part, writeSerial(part, at + 2, serial), revokedAt);
      if (reason !== 0) end = put(part, end, reasonExtension(reason));
      part[at] = Tag.sequence;
      part[at + 1] = end - at - 2;
      at = end;
      count += 1;
    },
  };
}

/** The same from rows that are all there. @throws {CaError} `internal` */
export function crlEntries(entries: Iterable<CrlEntry>): CrlEntries {
  const list = crlEntryList();
  for (const entry of entries) list.add(entry);
  return list;
}

// For a dozen octets, quicker than what copies a million.
function put(out: Buffer, at: number, part: Uint8Array): number {
  for (let i = 0; i < part.length; i++) out[at + i] = part[i] ?? 0;
  return at + part.length;
}

/** An INTEGER from canonical hex. @returns where it ends */
function writeSerial(out: Buffer, at: number, serial: string): number {
  const digits = serial.length;
  if (digits === 0 || digits > maxSerialDigits || (digits > 1 && serial.charCodeAt(0) === 0x30)) throw malformed();
  let next = at + 2;
  // A leading nibble of its own, or a sign octet before a first octet of 80 and more.
  if (digits % 2 === 0 && nibble(serial, 0) >= 8) out[next++] = 0;
  if (digits % 2 === 1) out[next++] = nibble(serial, 0);
  for (let i = digits % 2; i < digits; i += 2) out[next++] = (nibble(serial, i) << 4) | nibble(serial, i + 1);
  out[at] = Tag.integer;
  out[at + 1] = next - at - 2;
  return next;
}

function nibble(hex: string, index: number): number {
  const code = hex.charCodeAt(index);
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  throw malformed();
}

function malformed(): CaError {
  return new CaError('internal', 'a revoked serial is malformed');
}

function reasonExtension(reason: number): Buffer {
  let extension = reasons.get(reason);
  if (extension === undefined) {
    extension = sequence(writeExtension(Oid.cRLReason, false, der(Tag.enumerated, Buffer.of(reason))));
    reasons.set(reason, extension);
  }
  return extension;
}
