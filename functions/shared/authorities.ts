import { CaError } from '#domain/error.ts';
import { signingAuthority, type SigningAuthority } from '#domain/issuance/issue.ts';
import type { CertificateAuthority, IssuanceStore } from '#domain/issuance/store.ts';
import { signingClient } from '#adapters/kms/client.ts';
import { kmsSigner } from '#adapters/kms/kms-signer.ts';
import { openSigner } from '#adapters/kms/sealed-signer.ts';
import { caKeyAlgorithms, type CaKeyAlgorithm } from '#domain/x509/key-algorithm.ts';
import type { Envelope } from '#adapters/kms/envelope.ts';
import { caKeyContext } from './ca-key-context.ts';

export type AuthoritySource = Pick<IssuanceStore, 'authority'>;

const maxDepth = 10;

/**
 * CAs ready to sign, opened once per instance: a CA's certificate and key never change under their id.
 *
 * @throws {CaError} `unavailable` when the database or the key service does not answer, `internal` when the CA does not exist
 */
export function authorities(source: AuthoritySource, envelope: Envelope): (caId: string) => Promise<SigningAuthority> {
  const opened = new Map<string, Promise<SigningAuthority>>();
  return (caId) => {
    let authority = opened.get(caId);
    if (authority === undefined) {
      authority = open(source, envelope, caId);
      opened.set(caId, authority);
      authority.catch(() => opened.delete(caId));
    }
    return authority;
  };
}

async function open(source: AuthoritySource, envelope: Envelope, caId: string): Promise<SigningAuthority> {
  const first = await load(source, caId);
  const path = [first.certificate];
  let current = first;
  while (current.parentId !== undefined && path.length <= maxDepth) {
    current = await load(source, current.parentId);
    path.unshift(current.certificate);
  }
  path.unshift(...[...current.chainAbove].reverse());
  const signer =
    first.kmsKey === undefined
      ? await openSigner(envelope, first.sealedKey, caKeyContext(caId))
      : kmsSigner(signingClient(), { ...first.kmsKey, algorithm: known(first.kmsKey.algorithm) });
  return signingAuthority(caId, path, signer);
}

async function load(source: AuthoritySource, id: string): Promise<CertificateAuthority> {
  const authority = await source.authority(id);
  if (authority === undefined) throw new CaError('internal', `no certificate authority ${id}`);
  return authority;
}

function known(algorithm: string): CaKeyAlgorithm {
  const found = caKeyAlgorithms.find((candidate) => candidate === algorithm);
  if (found === undefined) throw new CaError('internal', 'a CA has a key of an unknown algorithm');
  return found;
}
