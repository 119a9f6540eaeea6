import * as z from 'zod';
import { command, path } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { fileTarget } from '../file-target.ts';
import { layoutRule, namesOneLayout, pairFields, pairFiles, pairPaths } from '../pair.ts';

/** Apache since 2.4.8 reads the issuers from `SSLCertificateFile`; older configurations name them by `SSLCertificateChainFile`. */
export const apacheConfig = z
  .strictObject({
    ...pairFields,
    /** The issuers in a file of their own, for `SSLCertificateChainFile`; `cert_path` then holds the leaf alone. */
    chain_path: path.optional(),
    check_command: command.default(['apachectl', 'configtest']),
    reload_command: command.default(['apachectl', 'graceful']),
    verify: verifySchema,
  })
  .refine(namesOneLayout, layoutRule)
  .refine(({ chain_path, pem_path }) => chain_path === undefined || pem_path === undefined, 'chain_path goes with cert_path only');

/** Apache httpd with mod_ssl. */
export const apache = fileTarget({
  config: apacheConfig,
  paths: (config) => [...pairPaths(config), ...(config.chain_path === undefined ? [] : [config.chain_path])],
  files: async (config, material) => {
    if (config.chain_path === undefined) return pairFiles(config, material);
    const chain = {
      path: config.chain_path,
      content: Buffer.from(material.chainPem),
      secret: false,
      mode: config.cert_file_mode,
      owner: undefined,
    };
    return [...(await pairFiles(config, { ...material, chainPem: '' })), chain];
  },
  check: (config) => config.check_command,
  reload: (config) => config.reload_command,
  verify: (config) => config.verify,
});
