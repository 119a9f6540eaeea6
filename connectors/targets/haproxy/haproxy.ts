import * as z from 'zod';
import { account, command, keyMode, path } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { fileTarget } from '../file-target.ts';
import { pairFiles } from '../pair.ts';

/** HAProxy's `crt`: leaf, issuers and key in one file, or a folder of such files in which the name decides. */
export const haproxyConfig = z.strictObject({
  pem_path: path.refine(
    (name) => !/\.(key|issuer|ocsp|sctl)$|\/\.[^/]*$/.test(name),
    'HAProxy does not read a file of this name as a certificate',
  ),
  key_file_mode: keyMode.optional(),
  key_owner: account.optional(),
  key_group: account.optional(),
  follow_symlinks: z.boolean().default(false),
  check_command: command.default(['haproxy', '-c', '-f', '/etc/haproxy/haproxy.cfg']),
  reload_command: command.default(['systemctl', 'reload', 'haproxy']),
  verify: verifySchema,
});

/** HAProxy, by its files and a reload that keeps the sockets. */
export const haproxy = fileTarget({
  config: haproxyConfig,
  paths: (config) => [config.pem_path],
  files: (config, material) => pairFiles(config, material),
  check: (config) => config.check_command,
  reload: (config) => config.reload_command,
  followLinks: (config) => config.follow_symlinks,
  verify: (config) => config.verify,
});
