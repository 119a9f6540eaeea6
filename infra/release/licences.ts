import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A package that a deployment or `npm start` contains. */
export interface Licensed {
  readonly name: string;
  readonly version: string;
  /** SPDX expression, as the package states it. */
  readonly licence: string;
  /** As the lock file has it, e.g. `sha512-…`. */
  readonly integrity: string | undefined;
}

/** What may be handed on with the platform; anything else needs a decision by a person, here. */
const accepted: ReadonlySet<string> = new Set([
  ...['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'CC0-1.0', 'ISC', 'MIT', 'MIT-0', 'Unlicense', 'PostgreSQL'],
]);

/** Whether a licence is acceptable: of alternatives one, of licences that hold together all (SPDX expressions without nesting). */
export function isAccepted(licence: string): boolean {
  return licence
    .replace(/^\((.*)\)$/, '$1')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((one) => accepted.has(one)));
}

interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
}

/** Every package of the lock file that is not for development alone, by name. */
export function licences(root: string): readonly Licensed[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Readonly<Record<string, LockedPackage>> };
  const found = Object.entries(lock.packages)
    .filter(([path, one]) => path !== '' && one.dev !== true)
    .map(([path, one]) => ({
      name: path.replace(/^.*node_modules\//, ''),
      version: one.version ?? '',
      licence: one.license ?? licenceOf(root, path),
      integrity: one.integrity,
    }))
    .toSorted(
      (a, b) =>
        `${a.name} ${a.version}`.localeCompare(`${b.name} ${b.version}`) ||
        Number(b.integrity !== undefined) - Number(a.integrity !== undefined),
    );
  // The same package may lie in several folders, of which one that came inside another package has no digest of its own.
  return found.filter(({ name, version }, index) => found[index - 1]?.name !== name || found[index - 1]?.version !== version);
}

/** Older packages say it in another form, which the lock file leaves out. */
function licenceOf(root: string, path: string): string {
  try {
    const { license, licenses } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')) as {
      license?: string | { type?: string };
      licenses?: readonly { type?: string }[];
    };
    return (
      (typeof license === 'string' ? license : license?.type) ?? licenses?.map(({ type }) => type ?? 'unknown').join(' AND ') ?? 'unknown'
    );
  } catch {
    return 'unknown';
  }
}

/** The list as a page. */
export function licencePage(of: readonly Licensed[]): string {
  const rows = of.map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`);
  return `# Licences of what is inside\n\n| package | version | licence |\n|---|---|---|\n${rows.join('\n')}\n`;
}
