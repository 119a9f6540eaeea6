import * as z from 'zod';
import { path } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { fileTarget } from '../file-target.ts';
import type { WantedFile } from '../file-set.ts';
import { layoutRule, namesOneLayout, pairFields, pairFiles, pairPaths } from '../pair.ts';

/** Traefik's file provider watches its dynamic configuration and not the certificates that it names. */
export const traefikConfig = z
  .strictObject({
    ...pairFields,
    /** A file below the provider's `directory`, written for this certificate alone. */
    dynamic_config_path: path.refine((name) => /\.ya?ml$/.test(name), 'Traefik reads .yml and .yaml'),
    /** Whether this is also the certificate for names that no other has. */
    default_certificate: z.boolean().default(false),
    verify: verifySchema,
  })
  .refine(namesOneLayout, layoutRule);

/** Traefik: the pair, then a dynamic configuration that differs each time, so that the watcher reads the pair again. */
export const traefik = fileTarget({
  config: traefikConfig,
  paths: (config) => [...pairPaths(config), config.dynamic_config_path],
  files: async (config, material) => {
    const dynamic: WantedFile = {
      path: config.dynamic_config_path,
      content: Buffer.from(dynamicConfiguration(config, material.fingerprint)),
      secret: false,
      mode: undefined,
      owner: undefined,
    };
    return [...(await pairFiles(config, material)), dynamic];
  },
  check: () => undefined,
  reload: () => undefined,
  followLinks: (config) => config.follow_symlinks,
  verify: (config) => config.verify,
});

function dynamicConfiguration(config: z.infer<typeof traefikConfig>, fingerprint: string): string {
  // A JSON string is a YAML string.
  const cert = JSON.stringify(config.pem_path ?? config.cert_path);
  const key = JSON.stringify(config.pem_path ?? config.key_path);
  const pair = (indent: string, first: string): string => `${first}certFile: ${cert}\n${indent}keyFile: ${key}\n`;
  const stores = config.default_certificate ? `  stores:\n    default:\n      defaultCertificate:\n${pair('        ', '        ')}` : '';
  return `# SHA-256 ${fingerprint}\ntls:\n  certificates:\n${pair('      ', '    - ')}${stores}`;
}
