import { KeystoreError } from './keystore.ts';

/** Walks octets as Java's `DataInputStream` does. Each method throws {@link KeystoreError} `damaged` where they end too early. */
export interface JavaReader {
  octet(): number;
  /** Of two octets. */
  short(): number;
  /** Of four octets. */
  int(): number;
  /** Java's modified UTF-8, of which only ASCII is of interest. */
  text(): string;
  /** Preceded by their number; a view. */
  octets(): Buffer;
  skip(octets: number): void;
}

/** @param bytes from their first octet on */
export function javaReader(bytes: Buffer): JavaReader {
  let at = 0;
  const take = (octets: number): number => {
    if (octets > bytes.length - at) throw damaged('it ends too early');
    at += octets;
    return at - octets;
  };
  const part = (octets: number): Buffer => bytes.subarray(take(octets), at);
  const short = (): number => bytes.readUInt16BE(take(2));
  const int = (): number => bytes.readUInt32BE(take(4));
  return {
    octet: () => bytes.readUInt8(take(1)),
    short,
    int,
    text: () => part(short()).toString('latin1'),
    octets: () => part(int()),
    skip: (octets) => void take(octets),
  };
}

export function damaged(why: string): KeystoreError {
  return new KeystoreError('damaged', `a Java keystore that is damaged: ${why}`);
}
