import * as z from 'zod';
import { command, path } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { fileTarget } from '../file-target.ts';
import { layoutRule, namesOneLayout, pairFields, pairFiles, pairPaths } from '../pair.ts';

/** nginx has no directive for a chain of its own: `ssl_certificate` holds the leaf and its issuers. */
export const nginxConfig = z
  .strictObject({
    ...pairFields,
    /** The issuers alone, for `ssl_trusted_certificate`. */
    chain_path: path.optional(),
    check_command: command.default(['nginx', '-t']),
    reload_command: command.default(['nginx', '-s', 'reload']),
    verify: verifySchema,
  })
  .refine(namesOneLayout, layoutRule);

/** nginx: `ssl_certificate` and `ssl_certificate_key`, which may be one file. */
export const nginx = fileTarget({
  config: nginxConfig,
  paths: (config) => [...pairPaths(config), ...(config.chain_path === undefined ? [] : [config.chain_path])],
  files: async (config, material) => {
    const pair = await pairFiles(config, material);
    if (config.chain_path === undefined) return pair;
    const chain = {
      path: config.chain_path,
      content: Buffer.from(material.chainPem),
      secret: false,
      mode: config.cert_file_mode,
      owner: undefined,
    };
    return [...pair, chain];
  },
  check: (config) => config.check_command,
  reload: (config) => config.reload_command,
  verify: (config) => config.verify,
});
