import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { secretRef } from '#connectors/targets/config.ts';
import { UsageError } from '../http/usage-error.ts';

const folder = z.string().regex(/^\//, 'an absolute path');

const schema = z.strictObject({
  /** Base URL of the platform. */
  server: z.url({ protocol: /^https$/ }).optional(),
  /** PEM of the authority that the platform proves itself by; without it the system’s. */
  ca_file: folder.optional(),
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,128}$/)
    .optional(),
  /** Identity, keys, journal, unsent reports. */
  state_dir: folder.default('/var/lib/certctl-agent'),
  /** Files or folders that deployments may write, and addresses of what is no file of this host; nothing else. */
  allowed_paths: z.array(z.string().regex(/^(\/|ssh:\/\/|http:\/\/|unix:\/|acm:\/\/)/, 'an absolute path or an address')).default([]),
  /** Argument lists that may run, word for word; nothing else. */
  allowed_commands: z.array(z.array(z.string().min(1)).min(1)).default([]),
  /** Files named like the secrets that targets refer to. */
  secrets_dir: folder.optional(),
  /** Copies of replaced files to keep; -1: all. */
  backup_retention: z.number().int().min(-1).max(100).default(3),
  /** Folders that are searched for certificates, with all below them; none: nothing is searched. */
  discovery_dirs: z.array(folder).max(50).default([]),
  /** Files or folders that are left out of it. */
  discovery_exclude: z.array(folder).max(200).default([]),
  /** Names of secrets whose values are tried on PKCS#12 files, in this order; Java's default and the empty one come after them. */
  discovery_passwords: z.array(secretRef).max(20).default([]),
  max_concurrent_deploys: z.number().int().min(1).max(16).default(4),
  log_level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
});
export type AgentSettings = z.output<typeof schema> & { readonly name: string };

/** Where the settings are looked for when nobody says. */
export const defaultConfigFile = '/etc/certctl-agent/config.yaml';

/** Environment variables that stand above the file, and below the command line. */
const variables: Readonly<Record<string, keyof z.input<typeof schema>>> = {
  CERTCTL_SERVER_URL: 'server',
  CERTCTL_SERVER_CA_BUNDLE_PATH: 'ca_file',
  CERTCTL_AGENT_NAME: 'name',
  CERTCTL_STATE_DIR: 'state_dir',
  CERTCTL_LOG_LEVEL: 'log_level',
  CERTCTL_DEPLOY_BACKUP_RETENTION: 'backup_retention',
};

/**
 * What the host decides: the command line wins over the environment, the environment over the file.
 *
 * @throws {UsageError}
 */
export function readSettings(given: Readonly<Record<string, string | undefined>>, env: NodeJS.ProcessEnv): AgentSettings {
  const file = given['config'] ?? env['CERTCTL_AGENT_CONFIG'] ?? defaultConfigFile;
  if (given['config'] !== undefined && !existsSync(file)) throw new UsageError(`${file} does not exist`);
  const written: unknown = existsSync(file) ? (parse(readFileSync(file, 'utf8')) ?? {}) : {};
  if (typeof written !== 'object' || written === null || Array.isArray(written)) throw new UsageError(`${file} holds no settings`);
  const fromEnvironment = Object.fromEntries(
    Object.entries(variables).flatMap(([variable, key]) => (env[variable] === undefined ? [] : [[key, valueOf(key, env[variable])]])),
  );
  const fromLine = Object.fromEntries(
    (['server', 'ca_file', 'name', 'state_dir', 'log_level'] as const).flatMap((key) => {
      const value = given[key.replace('_', '-')];
      return value === undefined ? [] : [[key, value]];
    }),
  );
  const result = schema.safeParse({ ...written, ...fromEnvironment, ...fromLine });
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new UsageError(`${file}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
  }
  return {
    ...result.data,
    name:
      result.data.name ??
      (hostname()
        .replace(/[^A-Za-z0-9._-]/g, '-')
        .slice(0, 128) ||
        'agent'),
  };
}

function valueOf(key: string, text: string): unknown {
  return key === 'backup_retention' ? Number(text) : text;
}

/** A secret of the host: the file of that name in the folder that the settings name. */
export async function hostSecret(settings: AgentSettings, name: string): Promise<string | undefined> {
  if (settings.secrets_dir === undefined || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) return undefined;
  const file = join(settings.secrets_dir, name);
  return existsSync(file) ? readFileSync(file, 'utf8').replace(/\r?\n$/, '') : undefined;
}
