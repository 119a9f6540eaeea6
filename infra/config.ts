import * as z from 'zod';
import { limitNames, limitOf, limits, type LimitSetting } from '#domain/limit/limits.ts';

const arn = (service: string): z.ZodType<string> =>
  z.string().regex(new RegExp(`^arn:aws[a-z-]*:${service}:[a-z0-9-]*:\\d{12}:.+`), `must be the ARN of a resource of ${service}`);

/** What a deployment may choose: the object under `certctl` in the CDK context. Unknown keys refuse to synthesize. */
export const configSchema = z.strictObject({
  /** A PostgreSQL that exists; without it the app makes an Aurora Serverless v2 that pauses to zero. */
  existingDatabase: z
    .strictObject({
      host: z.string().min(1),
      port: z.number().int().positive().default(5432),
      name: z.string().min(1),
      /** Secret with `username` and `password` of a role that may create tables and roles. */
      secretArn: arn('secretsmanager'),
      /** Secret of the role that all other functions connect as; without it they use the owner's, and may change the schema. */
      runtimeSecretArn: arn('secretsmanager').optional(),
      /** User name in that secret: a role with LOGIN that the platform grants its tables to. */
      runtimeUser: z
        .string()
        .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'must be a plain PostgreSQL identifier')
        .default('certctl_runtime'),
      /** PEM of the authority of the server's certificate, when it is a private one. */
      certificateAuthority: z
        .string()
        .max(2500, 'one certificate of at most 2500 characters: it travels in an environment variable')
        .regex(/^-----BEGIN CERTIFICATE-----\n[\s\S]+\n-----END CERTIFICATE-----\n?$/, 'must be a PEM certificate')
        .optional(),
      /** Where the database lives; without it the functions stay outside a VPC. */
      vpc: z
        .strictObject({
          vpcId: z.string(),
          availabilityZones: z.array(z.string()).min(1),
          subnetIds: z.array(z.string()).min(1),
          securityGroupId: z.string(),
        })
        .optional(),
    })
    .optional(),
  /** Aurora capacity units; 0 pauses after five idle minutes. */
  minCapacity: z.number().min(0).max(128).default(0),
  maxCapacity: z.number().min(1).max(128).default(2),
  /** One running copy per loop. New accounts, whose concurrency limit is 10, cannot reserve: set to false there. */
  reserveConcurrency: z.boolean().default(true),
  /** Most copies of the worker at once. */
  workerMaxConcurrency: z.number().int().min(2).max(1000).default(5),
  /** Resolvers that validation asks, `host` or `host:port`; empty: Lambda's own. */
  dnsResolvers: z.array(z.string()).max(4).default([]),
  /** AWS Private CAs that the connector may ask. */
  privateCaArns: z
    .array(z.string().regex(/^arn:aws(?:-[a-z]+)*:acm-pca:[a-z0-9-]+:\d{12}:certificate-authority\/[a-f0-9-]{36}$/))
    .max(20)
    .default([]),
  /** CloudFront in front of CRL and OCSP, which gives them plain http; false for emulators without it. */
  edge: z.boolean().default(true),
  logRetentionDays: z.union([z.literal(7), z.literal(14), z.literal(30), z.literal(90), z.literal(180), z.literal(365)]).default(30),
  /** Protects the database against deletion; false for trials. */
  deletionProtection: z.boolean().default(true),
  acme: z
    .strictObject({
      /** False: no ACME path answers anything but 404. */
      enabled: z.boolean().default(true),
      /** The profile that the shorthand `/acme/directory` stands for; empty: none. */
      defaultProfile: z.string().max(63).default('default'),
      /** Whether directories offer RFC 9773. */
      renewalInfo: z.boolean().default(true),
    })
    .prefault({}),
  /** Rate limits by their settings' names; docs/operator/rate-limit-scope.md says what each means. */
  limits: z.strictObject(limitSettings()).prefault({}),
});

export type Config = z.output<typeof configSchema>;

/** @throws {Error} one line that names what is wrong */
export function readConfig(context: unknown): Config {
  const result = configSchema.safeParse(typeof context === 'string' ? JSON.parse(context) : (context ?? {}));
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${['certctl', ...issue.path].join('.')}: ${issue.message}`);
  throw new Error(`the CDK context is not valid: ${problems.join('; ')}`);
}

function limitSettings(): Record<LimitSetting, z.ZodDefault<z.ZodNumber>> {
  const settings = limitNames.map((name) => {
    const { count, mayBeOff } = limitOf(name);
    return [
      limits[name].setting,
      z
        .number()
        .int()
        .min(mayBeOff ? 0 : 1)
        .default(count),
    ];
  });
  return Object.fromEntries(settings) as Record<LimitSetting, z.ZodDefault<z.ZodNumber>>;
}
