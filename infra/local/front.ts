import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FrontCertificate } from './copy/protocol.ts';

/** The front's own certificate as it lies in the home; undefined when there is none that is still good for a day. */
export function storedFront(keys: string, now: number): FrontCertificate | undefined {
  const file = join(keys, 'front.json');
  if (!existsSync(file)) return undefined;
  const front = JSON.parse(readFileSync(file, 'utf8')) as FrontCertificate;
  return new X509Certificate(front.chain).validToDate.getTime() - now > 86_400_000 ? front : undefined;
}

export function storeFront(keys: string, front: FrontCertificate): void {
  const file = join(keys, 'front.json');
  writeFileSync(`${file}.new`, JSON.stringify(front), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** When two thirds of its life are over, in milliseconds since the epoch. */
export function renewAt(front: FrontCertificate): number {
  const { validFromDate, validToDate } = new X509Certificate(front.chain);
  return validFromDate.getTime() + ((validToDate.getTime() - validFromDate.getTime()) * 2) / 3;
}
