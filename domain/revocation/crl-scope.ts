import { CaError } from '../error.ts';

/** Which of a CA's CRLs is meant: one shard, or the complete one, which lists what every shard lists. */
export interface CrlScope {
  readonly caId: string;
  /** From 1; undefined: the complete CRL. */
  readonly shard: number | undefined;
}

/** A shard and the one URL that its certificates and its CRL name it by. */
export interface CrlShard {
  readonly shard: number;
  readonly url: string;
}

export const maxCrlShards = 128;

const shardPath = /\/crl\/([a-z0-9-]{1,63})\/([1-9][0-9]{0,5})\.crl$/;

/** What the URLs of all CRLs of an origin begin with. */
export function crlUrlBase(pkiBaseUrl: string): string {
  return `${pkiBaseUrl}/.well-known/pki/crl/`;
}

/**
 * The shard that will list a certificate if it is revoked; chosen once, before it is signed. Serials are random, so that shards grow alike.
 *
 * @param serial canonical hex
 * @param shards of the CA; those of an origin that is not ours any more take nothing new
 * @returns undefined: the complete CRL
 */
export function shardFor(serial: string, shards: readonly CrlShard[], pkiBaseUrl: string): CrlShard | undefined {
  const open = shards.filter(({ url }) => url.startsWith(crlUrlBase(pkiBaseUrl)));
  return open.length === 0 ? undefined : open[Number.parseInt(serial.slice(-8), 16) % open.length];
}

/** The shard of a CA that a URL names. */
export function shardOfUrl(url: string, caId: string): number | undefined {
  const [, ca, shard] = shardPath.exec(url) ?? [];
  return ca === caId ? Number(shard) : undefined;
}

/** A scope in one word, as jobs name it. */
export function scopeText({ caId, shard }: CrlScope): string {
  return shard === undefined ? caId : `${caId}/${shard}`;
}

/** @throws {CaError} `internal` */
export function parseScope(text: string): CrlScope {
  const [, caId, shard] = /^([a-z0-9-]{1,63})(?:\/([1-9][0-9]{0,5}))?$/.exec(text) ?? [];
  if (caId === undefined) throw new CaError('internal', 'no CRL has this name');
  return { caId, shard: shard === undefined ? undefined : Number(shard) };
}
