import * as z from 'zod';
import { account, keyMode, path } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { fileOwner } from '../file-owner.ts';
import { readIfThere } from '../file-set.ts';
import { fileTarget } from '../file-target.ts';
import { firstFingerprint } from '../material.ts';

/** The file of a `path_config_source`; Envoy reads it again when a file is moved to its name. */
export const envoyConfig = z.strictObject({
  sds_path: path.refine((name) => name.endsWith('.json'), 'Envoy takes the format from the name: .json'),
  /** As in `sds_secret_config.name`. */
  secret_name: z.string().regex(/^[A-Za-z0-9_.:/-]{1,128}$/),
  key_file_mode: keyMode.optional(),
  key_owner: account.optional(),
  key_group: account.optional(),
  verify: verifySchema,
});

/**
 * Envoy's secret discovery by file. Certificate and key stand in the file itself: one rename replaces both, and Envoy, which compares the
 * resource and not the files that it names, sees that it is another.
 */
export const envoy = fileTarget({
  config: envoyConfig,
  paths: (config) => [config.sds_path],
  files: async (config, material) => [
    {
      path: config.sds_path,
      content: Buffer.from(`${JSON.stringify(discoveryResponse(config.secret_name, material), null, 2)}\n`),
      secret: true,
      mode: config.key_file_mode,
      owner: await fileOwner(config.key_owner, config.key_group),
    },
  ],
  check: () => undefined,
  reload: () => undefined,
  verify: (config) => config.verify,
  stored: async ({ sds_path }) => firstFingerprint((await readIfThere(sds_path)).replaceAll('\\n', '\n')),
});

function discoveryResponse(
  name: string,
  material: { readonly leafPem: string; readonly chainPem: string; readonly keyPem: string; readonly fingerprint: string },
): object {
  return {
    version_info: material.fingerprint,
    resources: [
      {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
        name,
        tls_certificate: {
          certificate_chain: { inline_string: material.leafPem + material.chainPem },
          private_key: { inline_string: material.keyPem },
        },
      },
    ],
  };
}
