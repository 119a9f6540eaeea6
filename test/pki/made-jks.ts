import { createHash } from 'node:crypto';

const u16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff);
const u32 = (value: number): Buffer => Buffer.concat([u16(value >>> 16), u16(value & 0xffff)]);
const text = (value: string): Buffer => Buffer.concat([u16(value.length), Buffer.from(value)]);
const counted = (octets: Buffer): Buffer => Buffer.concat([u32(octets.length), octets]);

export interface MadeEntry {
  /** Protected private key. */
  readonly key?: Buffer;
  readonly certificates: readonly Buffer[];
  readonly type?: string;
  /** A serialized secret key instead, of JCEKS. */
  readonly secretKey?: Buffer;
}

/** As keytool of OpenJDK 17 writes an AES key into a JCEKS keystore. */
export const sealedKey = Buffer.from(
  [
    'aced000573720033636f6d2e73756e2e63727970746f2e70726f76696465722e5365616c65644f626a656374466f724b657950726f746563746f72cd57ca59e7',
    '30bb53020000787200196a617661782e63727970746f2e5365616c65644f626a6563743e363da6c3b754700200045b000d656e636f646564506172616d737400',
    '025b425b0010656e63727970746564436f6e74656e7471007e00024c0009706172616d73416c677400124c6a6176612f6c616e672f537472696e673b4c000773',
    '65616c416c6771007e00037870757200025b42acf317f8060854e0020000787000000011300f0408afdbc02f325262d90203030d407571007e00050000009091',
    'f2cc9526662cd853cdd88af00dcd0d0ad24812989815fe574b220fab35e4c2d8a0a201ed8e93523eab3039c98caed7ec1ff9d8db0e315131fd8cc959e24771fd',
    '8d293d0a60dd6f8c95f92237ab8342aa9fbdd03c78a146dee5edf6dbf0587173f029373ab9ef61ea72657eebee6ceb916358c7128d75fac3710efbff2be48cf9',
    '70abf51595ca2eaac3d6c0e30bc0ba740016504245576974684d4435416e64547269706c65444553740016504245576974684d4435416e64547269706c654445',
    '53',
  ].join(''),
  'hex',
);

/** A Java keystore, as sun.security.provider.JavaKeyStore writes one; its digest is of no password in particular. */
export function madeJks(entries: readonly MadeEntry[], version: 1 | 2 = 2): Buffer {
  const one = ({ key, certificates, type = 'X.509', secretKey }: MadeEntry, at: number): Buffer => {
    const each = certificates.map((der) => Buffer.concat([...(version === 1 ? [] : [text(type)]), counted(der)]));
    const head = [u32(secretKey !== undefined ? 3 : key === undefined ? 2 : 1), text(`entry-${at}`), Buffer.alloc(8)];
    if (secretKey !== undefined) return Buffer.concat([...head, secretKey]);
    return Buffer.concat([...head, ...(key === undefined ? [] : [counted(key), u32(each.length)]), ...each]);
  };
  const body = Buffer.concat([Buffer.from('feedfeed', 'hex'), u32(version), u32(entries.length), ...entries.map(one)]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}
