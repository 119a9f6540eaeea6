import * as z from 'zod';
import { command } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { fileTarget } from '../file-target.ts';
import { layoutRule, namesOneLayout, pairFields, pairFiles, pairPaths } from '../pair.ts';

/** `pem_path` is for `smtpd_tls_chain_files` (Postfix 3.4), which wants the key first; the two files for `smtpd_tls_cert_file` and `smtpd_tls_key_file`. */
export const postfixConfig = z
  .strictObject({
    ...pairFields,
    check_command: command.default(['postfix', 'check']),
    reload_command: command.default(['postfix', 'reload']),
    verify: verifySchema,
  })
  .refine(namesOneLayout, layoutRule);

/** Postfix as a server; it opens keys as root, before it gives up its rights. */
export const postfix = fileTarget({
  config: postfixConfig,
  paths: pairPaths,
  files: (config, material) => pairFiles(config, material, 'key first'),
  check: (config) => config.check_command,
  reload: (config) => config.reload_command,
  followLinks: (config) => config.follow_symlinks,
  verify: (config) => config.verify,
});
