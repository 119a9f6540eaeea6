import * as z from 'zod';
import { command } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { fileTarget } from '../file-target.ts';
import { chainField, chainFiles, layoutRule, namesOneLayout, pairAndChainPaths, pairFields, pairFiles } from '../pair.ts';

/** Apache since 2.4.8 reads the issuers from `SSLCertificateFile`; older configurations name them by `SSLCertificateChainFile`. */
export const apacheConfig = z
  .strictObject({
    ...pairFields,
    /** The issuers in a file of their own, for `SSLCertificateChainFile`; `cert_path` then holds the leaf alone. */
    ...chainField,
    check_command: command.default(['apachectl', 'configtest']),
    reload_command: command.default(['apachectl', 'graceful']),
    verify: verifySchema,
  })
  .refine(namesOneLayout, layoutRule)
  .refine(({ chain_path, pem_path }) => chain_path === undefined || pem_path === undefined, 'chain_path goes with cert_path only');

/** Apache httpd with mod_ssl. */
export const apache = fileTarget({
  config: apacheConfig,
  paths: pairAndChainPaths,
  files: async (config, material) => {
    if (config.chain_path === undefined) return pairFiles(config, material);
    return [...(await pairFiles(config, { ...material, chainPem: '' })), ...chainFiles(config, material)];
  },
  check: (config) => config.check_command,
  reload: (config) => config.reload_command,
  followLinks: (config) => config.follow_symlinks,
  verify: (config) => config.verify,
});
