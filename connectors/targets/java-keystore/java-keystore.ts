import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { runCommand } from '../command.ts';
import { account, command, keyMode, path, secretRef } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { TargetFailure, safeDetail } from '../failure.ts';
import { fileOwner } from '../file-owner.ts';
import { writeNewFile } from '../file-set.ts';
import { fileTarget } from '../file-target.ts';
import { firstFingerprint, type Material } from '../material.ts';
import type { HostRules } from '../target.ts';
import { withWorkFolder } from '../work-folder.ts';
import { jksOf } from './jks.ts';
import { pfxOf } from './pkcs12.ts';

/** One entry of a Java keystore; the others stay as they are. */
export const javaKeystoreConfig = z
  .strictObject({
    keystore_path: path,
    keystore_type: z.enum(['PKCS12', 'JKS']).default('PKCS12'),
    /** Name of the host's secret that holds the password. */
    keystore_password: secretRef,
    /** Where the key's password is another; JKS only. */
    key_password: secretRef.optional(),
    alias: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,128}$/)
      .default('server'),
    /** Whether a keystore that is not there is made. */
    create_keystore: z.boolean().default(false),
    /** Where the host has its keytool elsewhere than in the usual folders. */
    keytool_path: path.optional(),
    key_file_mode: keyMode.optional(),
    key_owner: account.optional(),
    key_group: account.optional(),
    check_command: command.optional(),
    reload_command: command.optional(),
    verify: verifySchema,
  })
  .refine(({ keystore_type, key_password }) => key_password === undefined || keystore_type === 'JKS', 'a PKCS12 keystore has one password');

type Config = z.infer<typeof javaKeystoreConfig>;

/** A Java keystore: keytool changes a copy, which then takes the keystore's place as any file does. */
export const javaKeystore = fileTarget({
  config: javaKeystoreConfig,
  paths: (config) => [config.keystore_path],
  files: async (config, material, rules) => [
    {
      path: config.keystore_path,
      content: await changedKeystore(config, material, rules),
      secret: true,
      mode: config.key_file_mode,
      owner: await fileOwner(config.key_owner, config.key_group),
    },
  ],
  programs: ({ keytool_path: keytool }) => (keytool === undefined ? [] : [[keytool]]),
  check: (config) => config.check_command,
  reload: (config) => config.reload_command,
  verify: (config) => config.verify,
  stored: async (config, rules) => entryFingerprint(config.keystore_path, config, await passwordsOf(config, rules)),
});

type Ended = Awaited<ReturnType<typeof runCommand>>;

const jksMagic = Buffer.from('feedfeed', 'hex');

interface Passwords {
  readonly store: string;
  readonly key: string;
}

async function passwordsOf(config: Config, rules: HostRules): Promise<Passwords> {
  const secret = async (name: string): Promise<string> => {
    const value = await rules.secret(name);
    if (value === undefined || value.length < 6)
      throw new TargetFailure('validate', `the host has no usable secret ${name}; Java wants six characters`);
    return value;
  };
  const store = await secret(config.keystore_password);
  return { store, key: config.key_password === undefined ? store : await secret(config.key_password) };
}

async function changedKeystore(config: Config, material: Material, rules: HostRules): Promise<Buffer> {
  const passwords = await passwordsOf(config, rules);
  const existing = await readFile(config.keystore_path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing === undefined && !config.create_keystore)
    throw new TargetFailure('validate', `${config.keystore_path} is not there, and create_keystore is not set`);
  if (existing !== undefined) {
    const type = existing.subarray(0, 4).equals(jksMagic) ? 'JKS' : 'PKCS12';
    if (type !== config.keystore_type) throw new TargetFailure('validate', `the keystore is of type ${type}`);
    // keytool writes no keystore twice alike; one that holds the entry already is left as it is.
    if ((await entryFingerprint(config.keystore_path, config, passwords)) === material.fingerprint) return existing;
  }
  return withWorkFolder(rules, (folder) => importEntry(folder, existing, config, material, passwords));
}

async function importEntry(
  folder: string,
  existing: Buffer | undefined,
  config: Config,
  { leafPem, chainPem, keyPem, fingerprint }: Material,
  passwords: Passwords,
): Promise<Buffer> {
  const copy = join(folder, 'keystore');
  const password = randomBytes(24).toString('hex');
  // Java lower-cases the names of entries.
  const alias = config.alias.toLowerCase();
  const take = async (type: 'PKCS12' | 'JKS', content: Buffer): Promise<Ended> => {
    const source = join(folder, `source.${type}`);
    await writeNewFile(source, content, { mode: 0o600 });
    const from = [
      '-srckeystore',
      source,
      '-srcstoretype',
      type,
      '-srcstorepass:env',
      'SOURCE',
      '-srcalias',
      alias,
      '-srckeypass:env',
      'SOURCE',
    ];
    const to = ['-destkeystore', copy, '-deststoretype', config.keystore_type, '-deststorepass:env', 'STORE', '-destkeypass:env', 'KEY'];
    return keytool(config, ['-importkeystore', '-noprompt', ...from, ...to, '-destalias', config.alias], {
      ...passwords,
      source: password,
    });
  };
  if (existing !== undefined) await writeNewFile(copy, existing, { mode: 0o600 });
  const first = await take('PKCS12', pfxOf(leafPem, chainPem, keyPem, alias, password));
  // Java 8 before 8u301 reads no PBES2; what else is wrong is wrong with this one too, and the first says it better.
  if (first.status !== 0 && (await take('JKS', jksOf(leafPem, chainPem, keyPem, alias, password))).status !== 0)
    throw keytoolFailure(first.output, passwords);
  if ((await entryFingerprint(copy, config, passwords)) !== fingerprint)
    throw new TargetFailure('validate', 'keytool made a keystore without the certificate');
  return readFile(copy);
}

/** The fingerprint of the entry's leaf; `undefined` when there is no such entry. */
async function entryFingerprint(keystore: string, config: Config, passwords: Passwords): Promise<string | undefined> {
  const { status, output, stdout } = await keytool(
    config,
    ['-list', '-rfc', '-keystore', keystore, '-storepass:env', 'STORE', '-alias', config.alias],
    passwords,
  );
  if (status === 0) return firstFingerprint(stdout.toString('utf8'));
  if (/Alias <.*> does not exist/.test(output)) return undefined;
  throw keytoolFailure(output, passwords);
}

// Passwords come by the environment: an argument can be read by every account of the host.
function keytool(
  { keytool_path: program = 'keytool' }: Config,
  args: readonly string[],
  { store, key, source }: Passwords & { readonly source?: string },
): Promise<Ended> {
  return runCommand([program, '-J-XX:-UsePerfData', '-J-XX:TieredStopAtLevel=1', '-J-Xmx64m', ...args], {
    environment: { STORE: store, KEY: key, ...(source !== undefined && { SOURCE: source }) },
    maxStdoutBytes: 262_144,
  });
}

function keytoolFailure(output: string, { store, key }: Passwords): TargetFailure {
  return new TargetFailure('validate', `keytool refuses: ${safeDetail(output.trim(), [store, key]).slice(-500)}`);
}
