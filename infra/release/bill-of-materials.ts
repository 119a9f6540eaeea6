import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Bill {
  serialNumber: string;
  metadata: { timestamp: string; component: { name: string } };
  readonly components: readonly { readonly name: string; readonly version: string }[];
}

/**
 * npm's own CycloneDX document of everything that is not for development alone. What npm draws or takes from the clock and the folder is
 * replaced, so that the same commit gives the same bytes.
 *
 * @param committedAt ISO 8601
 */
export function billOfMaterials(root: string, committedAt: string): Bill {
  const text = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const bill = JSON.parse(text) as Bill;
  const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string };
  const digest = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  bill.serialNumber = `urn:uuid:${[digest.slice(0, 8), digest.slice(8, 12), `5${digest.slice(13, 16)}`, `8${digest.slice(17, 20)}`, digest.slice(20, 32)].join('-')}`;
  bill.metadata.timestamp = committedAt;
  bill.metadata.component.name = name;
  return bill;
}
