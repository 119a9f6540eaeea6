import type * as z from 'zod';
import { awsAcmConfig } from './aws-acm/config.ts';
import { parseConfig } from './config.ts';
import { TargetFailure } from './failure.ts';
import { servers } from './servers.ts';

// Who judges a configuration needs no client of a vendor, and the control plane carries none.
const schemas: Readonly<Record<string, z.ZodType>> = {
  ...Object.fromEntries(Object.entries(servers).map(([type, { config }]) => [type, config as z.ZodType])),
  aws_acm: awsAcmConfig,
};

/**
 * What is wrong with the configuration of a target, as far as its host need not be asked: the field and what it ought to be, never its value.
 *
 * @returns undefined when nothing is
 */
export function configObjection(type: string, config: object): string | undefined {
  const schema = Object.hasOwn(schemas, type) ? schemas[type] : undefined;
  if (schema === undefined) return `type: one of ${Object.keys(schemas).sort().join(', ')}`;
  try {
    parseConfig(schema, config);
    return undefined;
  } catch (error) {
    if (error instanceof TargetFailure) return `config: ${error.message}`;
    throw error;
  }
}
