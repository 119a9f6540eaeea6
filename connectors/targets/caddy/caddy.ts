import * as z from 'zod';
import type { Target } from '../change.ts';
import { command } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { fileTarget } from '../file-target.ts';
import { layoutRule, namesOneLayout, pairFields, pairFiles, pairPaths } from '../pair.ts';
import { caddyAdmin, caddyAdminConfig } from './caddy-admin.ts';

export const caddyFileConfig = z
  .strictObject({
    mode: z.literal('file'),
    ...pairFields,
    check_command: command.default(['caddy', 'validate', '--config', '/etc/caddy/Caddyfile']),
    // Without --force Caddy sees the same configuration and does not read the files again.
    reload_command: command.default(['caddy', 'reload', '--config', '/etc/caddy/Caddyfile', '--force']),
    verify: verifySchema,
  })
  .refine(namesOneLayout, layoutRule);

const caddyFile = fileTarget({
  config: caddyFileConfig,
  paths: pairPaths,
  files: (config, material) => pairFiles(config, material),
  check: (config) => config.check_command,
  reload: (config) => config.reload_command,
  followLinks: (config) => config.follow_symlinks,
  verify: (config) => config.verify,
});

export const caddyConfig = z.discriminatedUnion('mode', [caddyFileConfig, caddyAdminConfig]);
type CaddyConfig = z.infer<typeof caddyConfig>;

/** Caddy, by files and a forced reload or by its admin API; neither falls back to the other. */
export const caddy: Target<CaddyConfig> = {
  config: caddyConfig,
  demands: (config) => (config.mode === 'file' ? caddyFile.demands(config) : caddyAdmin.demands(config)),
  verify: (config) => config.verify,
  begin: (config, material, rules, about) =>
    config.mode === 'file' ? caddyFile.begin(config, material, rules, about) : caddyAdmin.begin(config, material, rules, about),
  resume: (config, record, rules) =>
    config.mode === 'file' ? caddyFile.resume(config, record, rules) : caddyAdmin.resume(config, record, rules),
  probe: async (config, rules) => (config.mode === 'file' ? undefined : caddyAdmin.probe?.(config, rules)),
  stored: async (config, rules) => (config.mode === 'file' ? caddyFile.stored?.(config, rules) : caddyAdmin.stored?.(config, rules)),
};
