import fc from 'fast-check';
import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { mutatedBytes } from '../../test/mutated-bytes.ts';
import { CaError } from '../error.ts';
import { decodeOcspGetPath, OcspError, parseOcspRequest } from '../revocation/ocsp-request.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { parseCsr } from '../x509/csr.ts';
import { parsePublicKey } from '../x509/public-key.ts';
import { bitString, children, DerError, integer, octetString, oid, oidText, readDer, sequence, time, timeOf } from './der.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
const info = sequence(integer(0), sequence(), spki);
const csr = sequence(info, sequence(oid('1.2.840.10045.4.3.2')), bitString(sign('sha256', info, pair.privateKey)));
const certId = sequence(sequence(oid('1.3.14.3.2.26')), octetString(Buffer.alloc(20)), octetString(Buffer.alloc(20)), integer(7));
const ocspRequest = sequence(sequence(sequence(sequence(certId))));

const hostile = (valid: Buffer): fc.Arbitrary<Buffer> =>
  fc.oneof(
    mutatedBytes(valid),
    fc.uint8Array({ maxLength: 512 }).map((bytes) => Buffer.from(bytes)),
  );

/** Runs a parser on hostile bytes: it may return or throw its own error, nothing else. */
function onlyThrows(parse: (bytes: Buffer) => unknown, valid: Buffer, mapped: (error: unknown) => boolean): void {
  fc.assert(
    fc.property(hostile(valid), (bytes) => {
      try {
        parse(bytes);
      } catch (error) {
        if (!mapped(error)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
}

test('given hostile bytes, the DER reader throws DerError only', () => {
  onlyThrows(readDer, csr, (error) => error instanceof DerError);
});

test('given hostile bytes, the CSR parser throws badCsr only', () => {
  expect(parseCsr(csr).commonNames).toEqual([]);
  onlyThrows(parseCsr, csr, (error) => error instanceof CaError && error.code === 'badCsr');
});

test('given hostile bytes, the key parser throws badPublicKey only', () => {
  onlyThrows(parsePublicKey, spki, (error) => error instanceof CaError && error.code === 'badPublicKey');
});

test('given hostile bytes, the certificate parser throws malformed only', () => {
  onlyThrows(parseCertificate, csr, (error) => error instanceof CaError && error.code === 'malformed');
});

test('given hostile bytes, the OCSP request parser throws malformedRequest only', () => {
  expect(parseOcspRequest(ocspRequest).certIds[0]?.serial).toBe('7');
  onlyThrows(parseOcspRequest, ocspRequest, (error) => error instanceof OcspError && error.status === 'malformedRequest');
});

test('given any text, the OCSP path decoder throws malformedRequest only', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (text) => {
      try {
        decodeOcspGetPath(text);
      } catch (error) {
        if (!(error instanceof OcspError)) throw error;
      }
    }),
  );
});

test('a thousand nested elements, an indefinite length, a length of four gigabytes are refused without being followed', () => {
  let nested: Buffer = Buffer.from([0x30, 0x00]);
  for (let i = 0; i < 1000; i++) nested = sequence(nested);
  for (const bytes of [
    nested,
    Buffer.from('30800000', 'hex'),
    Buffer.from('3084ffffffff00', 'hex'),
    Buffer.from('308100', 'hex'),
    Buffer.from('1f8101', 'hex'),
  ]) {
    expect(() => readDer(bytes)).toThrow(DerError);
  }
});

test('given any numbers, octets, times and identifiers, what is written is read back', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 1n << 160n }),
      fc.uint8Array({ maxLength: 300 }),
      fc.date({ min: new Date('1951-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }),
      fc.array(fc.nat(1_000_000), { maxLength: 8 }),
      (number, octets, date, arcs) => {
        const whole = new Date(Math.floor(date.getTime() / 1000) * 1000);
        const identifier = ['2', '5', ...arcs].join('.');
        const [a, b, c, d] = children(readDer(sequence(integer(number), octetString(octets), time(whole), oid(identifier))));
        expect(BigInt(`0x${a!.content.toString('hex')}`)).toBe(number);
        expect(b!.content.equals(octets)).toBe(true);
        expect(timeOf(c!).getTime()).toBe(whole.getTime());
        expect(oidText(d!)).toBe(identifier);
      },
    ),
  );
});
