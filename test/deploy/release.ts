import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyCheckout } from '../checkout.ts';
import { run, type Outcome } from '../interop/tool.ts';
import { root } from '../platform.ts';

/** A checkout that can be deployed. */
export interface Release {
  readonly folder: string;
  /** Runs the CDK CLI as an operator does. */
  cdk(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<Outcome>;
  remove(): void;
}

/** A copy of this checkout that may get more migrations. */
export interface NextRelease extends Release {
  addMigration(name: string, sql: string): void;
}

/**
 * This checkout, or a copy of it with one more migration: the next release.
 *
 * @param sql what the additional migration says
 */
export function nextRelease(sql: string, name = 'next_release'): NextRelease {
  const folder = mkdtempSync(join(tmpdir(), 'release-'));
  copyCheckout(folder);
  const migrations = join(folder, 'migrations');
  const addMigration = (called: string, text: string): void =>
    writeFileSync(join(migrations, `${nextNumber(migrations)}_${called}.up.sql`), text);
  addMigration(name, sql);
  return { ...release(folder, () => rmSync(folder, { recursive: true, force: true })), addMigration };
}

export const thisRelease: Release = release(root, () => undefined);

function release(folder: string, remove: () => void): Release {
  return {
    folder,
    cdk: async (args, environment) => {
      const output = mkdtempSync(join(tmpdir(), 'assembly-'));
      try {
        return await run(
          process.execPath,
          [join(root, 'node_modules/aws-cdk/bin/cdk'), ...args, '--output', output, '--no-notices', '--ci', '--no-color'],
          { ...environment, JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION: '1' },
          folder,
        );
      } finally {
        rmSync(output, { recursive: true, force: true });
      }
    },
    remove,
  };
}

function nextNumber(migrations: string): string {
  const newest = readdirSync(migrations).sort().at(-1) ?? '000000';
  return String(Number(newest.slice(0, 6)) + 1).padStart(6, '0');
}
