import * as z from 'zod';
import { command } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { fileTarget } from '../file-target.ts';
import { chainField, chainFiles, layoutRule, namesOneLayout, pairAndChainPaths, pairFields, pairFiles } from '../pair.ts';

/** nginx has no directive for a chain of its own: `ssl_certificate` holds the leaf and its issuers. */
export const nginxConfig = z
  .strictObject({
    ...pairFields,
    /** The issuers alone, for `ssl_trusted_certificate`. */
    ...chainField,
    check_command: command.default(['nginx', '-t']),
    reload_command: command.default(['nginx', '-s', 'reload']),
    verify: verifySchema,
  })
  .refine(namesOneLayout, layoutRule);

/** nginx: `ssl_certificate` and `ssl_certificate_key`, which may be one file. */
export const nginx = fileTarget({
  config: nginxConfig,
  paths: pairAndChainPaths,
  files: async (config, material) => [...(await pairFiles(config, material)), ...chainFiles(config, material)],
  check: (config) => config.check_command,
  reload: (config) => config.reload_command,
  followLinks: (config) => config.follow_symlinks,
  verify: (config) => config.verify,
});
