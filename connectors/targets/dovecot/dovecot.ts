import * as z from 'zod';
import { command } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { fileTarget } from '../file-target.ts';
import { layoutRule, namesOneLayout, pairFields, pairFiles, pairPaths } from '../pair.ts';

/** The files of `ssl_cert = <…` and `ssl_key = <…`, which may be one. */
export const dovecotConfig = z
  .strictObject({
    ...pairFields,
    check_command: command.default(['doveconf', '-n']),
    reload_command: command.default(['doveadm', 'reload']),
    verify: verifySchema,
  })
  .refine(namesOneLayout, layoutRule);

/** Dovecot's IMAP and POP3 listeners. */
export const dovecot = fileTarget({
  config: dovecotConfig,
  paths: pairPaths,
  files: (config, material) => pairFiles(config, material),
  check: (config) => config.check_command,
  reload: (config) => config.reload_command,
  followLinks: (config) => config.follow_symlinks,
  verify: (config) => config.verify,
});
