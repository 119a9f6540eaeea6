import { createHash } from 'node:crypto';
import { licences } from './licences.ts';

/** Name and version of what the bill is of, and when its commit was made (ISO 8601). */
export interface Product {
  readonly name: string;
  readonly version: string;
  readonly committedAt: string;
}

/**
 * A CycloneDX 1.5 document of every package of the lock file that is not for development alone, with the digest that the lock file has of it.
 * Nothing is drawn or taken from the clock: the same commit gives the same bytes. (npm's own command leaves out packages whose name occurs twice.)
 */
export function billOfMaterials(root: string, product: Product): object {
  const components = licences(root).map(({ name, version, licence, integrity }) => {
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
    return { type: 'library', 'bom-ref': purl, name, version, purl, licenses: [{ expression: licence }], ...hashes(integrity) };
  });
  const self = { type: 'application', 'bom-ref': product.name, name: product.name, version: product.version };
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify([self, components]))}`,
    version: 1,
    metadata: { timestamp: product.committedAt, component: self },
    components,
  };
}

/** What npm calls integrity, in CycloneDX's words. */
function hashes(integrity: string | undefined): object {
  const [algorithm, base64] = integrity?.split('-') ?? [];
  if (algorithm !== 'sha512' || base64 === undefined) return {};
  return { hashes: [{ alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') }] };
}

/** A name-based UUID (RFC 9562 §5.8, of its own making). */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}
