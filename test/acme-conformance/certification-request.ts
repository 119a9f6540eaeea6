import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

// PKCS#10 by hand: a case must be able to write what no library would.
const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));

export interface CsrOptions {
  readonly commonName?: string;
  readonly extraNames?: readonly Buffer[];
  readonly keyPair?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  readonly breakSignature?: boolean;
  /** Of an RSA key: signs with RSASSA-PSS, one hash throughout and a salt of its length (RFC 4055 §3.1). */
  readonly pss?: 'sha256' | 'sha384' | 'sha512';
  /** Further extensions that the CSR asks for, DER. */
  readonly extensions?: readonly Buffer[];
}

/** An extension that a CSR asks for. */
export const requestedExtension = {
  ca: (): Buffer => der(0x30, oid('551d13'), Buffer.of(1, 1, 0xff), der(0x04, der(0x30, Buffer.of(1, 1, 0xff)))),
  codeSigning: (): Buffer => der(0x30, oid('551d25'), der(0x04, der(0x30, oid('2b06010505070303')))),
  certificatePolicies: (): Buffer => der(0x30, oid('551d20'), der(0x04, der(0x30, der(0x30, oid('2a0304'))))),
  mustStaple: (): Buffer => der(0x30, oid('2b06010505070118'), der(0x04, der(0x30, Buffer.of(2, 1, 5)))),
};

export function makeCsr(names: readonly string[], options: CsrOptions = {}): { csr: Buffer; privateKey: KeyObject } {
  const { publicKey, privateKey } = options.keyPair ?? generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const san = der(0x30, ...names.map((name) => der(0x82, Buffer.from(name))), ...(options.extraNames ?? []));
  const extensions = der(0x30, der(0x30, oid('551d11'), der(0x04, san)), ...(options.extensions ?? []));
  const attributes = der(0xa0, der(0x30, oid('2a864886f70d01090e'), der(0x31, extensions)));
  const subject =
    options.commonName === undefined
      ? der(0x30)
      : der(0x30, der(0x31, der(0x30, oid('550403'), der(0x0c, Buffer.from(options.commonName)))));
  const info = der(0x30, der(0x02, Buffer.from([0])), subject, publicKey.export({ type: 'spki', format: 'der' }), attributes);
  const signed = options.breakSignature === true ? Buffer.concat([info, Buffer.of(0)]) : info;
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  const signature = sign(options.pss ?? 'sha256', signed, options.pss === undefined ? privateKey : { key: privateKey, ...padding });
  const algorithm = options.pss === undefined ? plainAlgorithm(privateKey) : pssAlgorithm(options.pss);
  return { csr: der(0x30, info, algorithm, der(0x03, Buffer.from([0]), signature)), privateKey };
}

function plainAlgorithm({ asymmetricKeyType }: KeyObject): Buffer {
  return asymmetricKeyType === 'rsa' ? der(0x30, oid('2a864886f70d01010b'), Buffer.of(5, 0)) : der(0x30, oid('2a8648ce3d040302'));
}

const hashes = { sha256: ['01', 32], sha384: ['02', 48], sha512: ['03', 64] } as const;

function pssAlgorithm(digest: keyof typeof hashes): Buffer {
  const [number, saltLength] = hashes[digest];
  const hash = der(0x30, oid(`6086480165030402${number}`), Buffer.of(5, 0));
  const generator = der(0x30, oid('2a864886f70d010108'), hash);
  const parameters = [der(0xa0, hash), der(0xa1, generator), der(0xa2, der(0x02, Buffer.of(saltLength)))];
  return der(0x30, oid('2a864886f70d01010a'), der(0x30, ...parameters));
}

export const generalName = {
  ip: (octets: number[]): Buffer => der(0x87, Buffer.from(octets)),
  email: (text: string): Buffer => der(0x81, Buffer.from(text)),
  uri: (text: string): Buffer => der(0x86, Buffer.from(text)),
  other: (): Buffer => der(0xa0, oid('2a0304'), der(0xa0, der(0x0c, Buffer.from('x')))),
};
