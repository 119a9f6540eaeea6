import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MigrationFile {
  /** File name, e.g. `000001_profiles.up.sql`. */
  readonly version: string;
  /** SHA-256, hex, of the file's bytes. */
  readonly sha256: string;
}

/**
 * The migrations that came with this release.
 *
 * @throws {Error} when numbers are missing or double, or a file has carriage returns, which would change its hash
 */
export function readManifest(folder: string): readonly MigrationFile[] {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  return files.map((version, index) => {
    if (!new RegExp(`^${String(index + 1).padStart(6, '0')}_[a-z0-9_]+\\.up\\.sql$`).test(version)) {
      throw new Error(`${version}: migrations are numbered 000001, 000002, … without gap or repeat, and end with .up.sql`);
    }
    const content = readFileSync(join(folder, version));
    if (content.includes(0x0d)) throw new Error(`${version}: carriage returns`);
    return { version, sha256: createHash('sha256').update(content).digest('hex') };
  });
}
