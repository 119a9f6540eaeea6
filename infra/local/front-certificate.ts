import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { FrontCertificate } from './copy/protocol.ts';
import { bitString, der, octetString, oid, sequence, set, smallInteger, utcTime } from './der.ts';

// Written by hand: the libraries that do it cost a start more than all else that the host does, and the host would carry them for ever.

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
const localhost = sequence(oid('2.5.29.17'), octetString(sequence(der(0x82, Buffer.from('localhost')))));
const authorityOfNone = sequence(
  oid('2.5.29.19'),
  der(0x01, Buffer.from([0xff])),
  octetString(sequence(der(0x01, Buffer.from([0xff])), smallInteger(0))),
);

export function newKeyPair(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/**
 * A self-signed certificate of `localhost` (RFC 5280 §4.1) for the few seconds until the front has one from its own CA.
 *
 * @param now milliseconds since the epoch
 */
export function temporaryFront(now: number): FrontCertificate {
  const keys = newKeyPair();
  const name = sequence(set(sequence(oid('2.5.4.3'), der(0x0c, Buffer.from('certctl start')))));
  const body = sequence(
    der(0xa0, smallInteger(2)),
    smallInteger(1),
    ecdsaWithSha256,
    name,
    sequence(utcTime(now - 60_000), utcTime(now + 3_600_000)),
    name,
    spkiOf(keys),
    der(0xa3, sequence(localhost, authorityOfNone)),
  );
  return { chain: pem('CERTIFICATE', signed(body, keys)), key: privatePem(keys) };
}

/** A request for `localhost` (RFC 2986 §4.2), DER. */
export function certificationRequest(keys: KeyPair): Buffer {
  const wanted = sequence(oid('1.2.840.113549.1.9.14'), set(sequence(localhost)));
  return signed(sequence(smallInteger(0), sequence(), spkiOf(keys), der(0xa0, wanted)), keys);
}

/** PKCS#8, PEM. */
export function privatePem(keys: KeyPair): string {
  return keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function signed(body: Buffer, keys: KeyPair): Buffer {
  return sequence(body, ecdsaWithSha256, bitString(sign('sha256', body, keys.privateKey)));
}

function spkiOf(keys: KeyPair): Buffer {
  return keys.publicKey.export({ type: 'spki', format: 'der' });
}

function pem(label: string, bytes: Buffer): string {
  return `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END ${label}-----\n`;
}
