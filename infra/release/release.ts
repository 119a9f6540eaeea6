import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleFunctions } from '../bundle.ts';
import { billOfMaterials } from './bill-of-materials.ts';
import { isAccepted, licencePage, licences } from './licences.ts';
import { provenance, type Subject } from './provenance.ts';

const help = `The papers of a release: what is inside, under which licences, from which commit, with which digests.

  npm run release                  writes them into .build/release
  npm run release -- --out DIR     … into another folder
  npm run release -- --check FILE  builds again and compares with a SHA256SUMS
`;
const root = join(import.meta.dirname, '..', '..');

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, '.build', 'release') },
    check: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(help);
else if (values.check !== undefined) process.exitCode = await check(values.check);
else process.exitCode = await write(values.out);

/** Every file that is deployed, in the order of its name. */
async function subjects(): Promise<readonly Subject[]> {
  const { folder } = await bundleFunctions(root);
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ name: relative(folder, file), sha256: sha256(readFileSync(file)) }))
    .filter(({ name }) => !name.startsWith('maps/') && name !== 'report.json' && name !== 'complete')
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

async function write(out: string): Promise<number> {
  const packages = licences(root);
  const refused = packages.filter(({ licence }) => !isAccepted(licence));
  for (const { name, version, licence } of refused)
    process.stderr.write(`release: ${name} ${version} has the licence ${licence}, which nobody accepted\n`);
  if (refused.length > 0) return 1;
  const [commit = '', committedAt = ''] = git('log', '-1', '--format=%H %cI').split(' ');
  const files = await subjects();
  const origin = {
    commit,
    committedAt,
    lockSha256: sha256(readFileSync(join(root, 'package-lock.json'))),
    node: process.version,
    builder: process.env['RELEASE_BUILDER'] ?? 'urn:certctl:a-developer',
  };
  const product = named();
  mkdirSync(out, { recursive: true });
  writeFileSync(
    join(out, 'sbom.cdx.json'),
    `${JSON.stringify(billOfMaterials(root, { name: product.name, version: product.version, committedAt }), undefined, 2)}\n`,
  );
  writeFileSync(join(out, 'licences.md'), licencePage(packages));
  writeFileSync(join(out, 'SHA256SUMS'), sums(files));
  writeFileSync(join(out, 'provenance.json'), `${JSON.stringify(provenance(files, origin), undefined, 2)}\n`);
  if (git('status', '--porcelain') !== '') process.stderr.write('release: the checkout has changes that the commit does not have\n');
  process.stdout.write(`${files.length} files of ${commit.slice(0, 12)} in ${out}\n`);
  return 0;
}

async function check(file: string): Promise<number> {
  if (!existsSync(file)) {
    process.stderr.write(`release: there is no ${file}\n`);
    return 2;
  }
  const wanted = readFileSync(file, 'utf8');
  const built = sums(await subjects());
  if (wanted === built) {
    process.stdout.write(`the same ${built.trim().split('\n').length} files\n`);
    return 0;
  }
  const known = new Set(wanted.split('\n'));
  for (const line of built.split('\n').filter((candidate) => !known.has(candidate))) process.stderr.write(`differs: ${line.slice(66)}\n`);
  return 1;
}

/** In the form of sha256sum(1). */
function sums(files: readonly Subject[]): string {
  return files.map((file) => `${file.sha256}  ${file.name}\n`).join('');
}

function named(): { name: string; version: string } {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string; version: string };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
}
