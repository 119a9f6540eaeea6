import type { Ledger } from './ledger.ts';
import { headOf } from './ledger.ts';
import type { MigrationFile } from './manifest.ts';

/** How ledger and release stand to each other. */
export interface Standing {
  /** In order. */
  readonly pending: readonly MigrationFile[];
  /** Everything of this release is applied, and more: it was rolled back, and runs on the newer schema. */
  readonly ahead: boolean;
  /** Why nothing may run; empty when all is well. */
  readonly drift: readonly string[];
}

/** Compares without changing anything. */
export function standing(ledger: Ledger, manifest: readonly MigrationFile[]): Standing {
  const named = (versions: readonly string[]): string => versions.join(', ');
  const pending = manifest.filter((file) => !ledger.has(file.version));
  const edited = manifest.filter((file) => ledger.has(file.version) && ledger.get(file.version) !== file.sha256);
  const unknown = [...ledger.keys()].filter((version) => !manifest.some((file) => file.version === version));
  const inserted = pending.filter((file) => file.version < headOf(ledger));
  const head = manifest.at(-1)?.version ?? '';
  const ahead = unknown.length > 0 && pending.length === 0 && unknown.every((version) => version > head);
  return {
    pending,
    ahead,
    drift: [
      ...(edited.length > 0 ? [`checksum drift: ${named(edited.map((file) => file.version))}`] : []),
      ...(unknown.length > 0 && !ahead ? [`applied, but not in this release: ${named(unknown)}`] : []),
      ...(inserted.length > 0 ? [`inserted below what is applied: ${named(inserted.map((file) => file.version))}`] : []),
    ],
  };
}
