import * as z from 'zod';
import { functionSpecs } from './functions.ts';
import { limitNames, limitOf, limits, type LimitSetting } from '#domain/limit/limits.ts';

const arn = (service: string): z.ZodType<string> =>
  z.string().regex(new RegExp(`^arn:aws[a-z-]*:${service}:[a-z0-9-]*:\\d{12}:.+`), `must be the ARN of a resource of ${service}`);

const hostName = z
  .string()
  .max(200)
  .regex(/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/, 'must be a domain name in lower case');

/** What a deployment may choose: the object under `certctl` in the CDK context. Unknown keys refuse to synthesize. */
const schema = z.strictObject({
  /** A PostgreSQL that exists; without it the app makes an Aurora Serverless v2 that pauses to zero. */
  existingDatabase: z
    .strictObject({
      /** The name in its certificate; no address unless the certificate has it. */
      host: z.string().min(1),
      /** 5432 unless said. */
      port: z.number().int().positive().default(5432),
      /** Of the database in the server. */
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
          /** Of the subnets, in their order. */
          availabilityZones: z.array(z.string()).min(1),
          /** For the functions: they must reach the database and, by NAT or endpoints, AWS. */
          subnetIds: z.array(z.string()).min(1),
          /** Of the functions; the database must admit it. */
          securityGroupId: z.string(),
        })
        .optional(),
    })
    .optional(),
  /** Where a new database and its functions go instead of a network of their own: subnets that reach AWS (NAT, or interface endpoints). */
  vpc: z
    .strictObject({
      vpcId: z.string().startsWith('vpc-'),
      /** Of the subnets, in their order; two or more, as Aurora wants it. */
      availabilityZones: z.array(z.string()).min(2),
      subnetIds: z.array(z.string().startsWith('subnet-')).min(2),
    })
    .optional(),
  /** How functions in the platform's own network reach AWS: over IPv6, free of charge, or through a NAT gateway. */
  egress: z.enum(['ipv6', 'nat']).default('ipv6'),
  /** RDS Proxy between functions and database, for many copies; it keeps the database awake, so `minCapacity` must be above 0. */
  proxy: z.boolean().default(false),
  /** Aurora capacity units; 0 pauses after five idle minutes. */
  minCapacity: z.number().min(0).max(128).default(0),
  /** The most that Aurora grows to: a capacity unit is 2 GiB of memory and about 90 connections. */
  maxCapacity: z.number().min(1).max(128).default(2),
  /** One running copy per loop. New accounts, whose concurrency limit is 10, cannot reserve: set to false there. */
  reserveConcurrency: z.boolean().default(true),
  /** Most copies of the worker at once. */
  workerMaxConcurrency: z.number().int().min(2).max(1000).default(5),
  /** A second prober, for names and addresses that only IPv6 reaches, in a network of its own: the first has IPv4 alone. */
  ipv6Prober: z.boolean().default(false),
  /** Resolvers that validation asks, `host` or `host:port`; empty: Lambda's own. */
  dnsResolvers: z.array(z.string()).max(4).default([]),
  /** AWS Private CAs that the connector may ask. */
  privateCaArns: z
    .array(z.string().regex(/^arn:aws(?:-[a-z]+)*:acm-pca:[a-z0-9-]+:\d{12}:certificate-authority\/[a-f0-9-]{36}$/))
    .max(20)
    .default([]),
  /** Regions in whose AWS Certificate Manager the connector may import certificates, with keys that it makes; none: it may not. */
  certificateManagerRegions: z
    .array(z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region'))
    .max(20)
    .default([]),
  /** Roles that the connector may assume for such imports, of this account or others; none: it imports as itself, into its own account. */
  certificateManagerRoles: z
    .array(z.string().regex(/^arn:aws(?:-[a-z]+)*:iam::\d{12}:role\/[A-Za-z0-9_+=,.@/-]{1,128}$/, 'must be the ARN of a role'))
    .max(20)
    .default([]),
  /** Keys in AWS KMS that CAs may sign with; each must then be registered as a signer key. */
  caKeyArns: z
    .array(z.string().regex(/^arn:aws(?:-[a-z]+)*:kms:[a-z0-9-]+:\d{12}:key\/[a-z0-9-]{1,64}$/))
    .max(20)
    .default([]),
  /** Memory in MB by function, instead of the table's. */
  memoryMb: z.partialRecord(z.enum(functionSpecs.map((spec) => spec.name)), z.number().int().min(128).max(10_240)).default({}),
  /** Names of its own: `acme.` and `api.` at API Gateway, `pki.` at CloudFront. Without it both have Amazon's names. */
  domain: z
    .strictObject({
      /** The names are made under it. */
      name: hostName,
      /** In the region: for acme., api. and pki-origin. under the name. */
      certificateArn: arn('acm'),
      /** In us-east-1, as CloudFront wants it: for pki. under the name. */
      pkiCertificateArn: arn('acm').refine((text) => text.split(':')[3] === 'us-east-1', 'must be in us-east-1'),
      /** A public zone of Route 53 that gets the records; without it the outputs say which to make. */
      hostedZoneId: z.string().optional(),
    })
    .optional(),
  /** An application load balancer as the only entrance, inside of a network or behind a web ACL: for both HTTP APIs have no answer. */
  loadBalancer: z
    .strictObject({
      /** https for ACME and the control plane, plain http for CRL and OCSP. */
      domain: hostName,
      /** In the region, for the domain. */
      certificateArn: arn('acm'),
      /** Reached from within the network only; true unless said. */
      internal: z.boolean().default(true),
      /** Two or more; public ones for an entrance that is not internal. Without them the functions' own subnets. */
      subnetIds: z.array(z.string().startsWith('subnet-')).min(2).optional(),
      /** Who may connect; the private networks of RFC 1918 unless said. */
      allowedCidrs: z.array(z.cidrv4()).min(1).default(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']),
    })
    .optional(),
  /** Takes requests that AWS roles and users have signed (SigV4) at `/iam/api/…`, each with the rights that it is mapped to. */
  iamCallers: z.boolean().default(false),
  /** A web ACL in front of the distribution (scope CLOUDFRONT, in us-east-1) or of the load balancer (scope REGIONAL). */
  webAclArn: arn('wafv2').optional(),
  /** CloudFront in front of CRL and OCSP, which gives them plain http; false for emulators without it. */
  edge: z.boolean().default(true),
  /** How long log lines are kept: 7, 14, 30, 90, 180 or 365 days. */
  logRetentionDays: z.union([z.literal(7), z.literal(14), z.literal(30), z.literal(90), z.literal(180), z.literal(365)]).default(30),
  /** Protects the database against deletion; false for trials. */
  deletionProtection: z.boolean().default(true),
  /** The ACME server. */
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
  /** Agents on hosts; more often costs more. */
  agents: z
    .strictObject({
      /** Between an agent's looks for work. */
      pollSeconds: z.number().int().min(1).max(3600).default(30),
      /** Between its heartbeats. */
      heartbeatSeconds: z.number().int().min(1).max(3600).default(60),
      /** Unheard of for so long, it is offline. */
      silentSeconds: z.number().int().min(2).max(86_400).default(300),
      /** Of the renewals that are due together, how many agents are asked for a new key in one second. */
      renewalsPerSecond: z.number().int().min(1).max(1000).default(10),
      /** Agents of an older version than this, e.g. 1.4.0, are degraded; empty: any will do. */
      minimumVersion: z
        .string()
        .max(64)
        .regex(
          /^((0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?)?$/,
          'a version such as 1.4.0, or empty',
        )
        .default(''),
    })
    .prefault({}),
  /** Keeps tables, artifacts and keys when their stacks are removed; false for trials. */
  retainData: z.boolean().default(true),
  /** Tags on every resource, besides `application: certctl`. */
  tags: z.record(z.string().min(1).max(128), z.string().max(256)).default({}),
  /** Ten series and as many alarms, or a set of series for each loop: docs/operator/cost.md has the prices. */
  metrics: z.enum(['minimal', 'full']).default('minimal'),
  /** Who is told. */
  alarms: z
    .strictObject({
      /** Subscribed to the alarms' topic; Amazon asks for a confirmation by mail. */
      email: z.email().optional(),
      /** A topic that exists, instead of a new one. */
      topicArn: arn('sns').optional(),
    })
    .prefault({}),
  /** A page in CloudWatch; an account has three for nothing. */
  dashboard: z.boolean().default(true),
  /** Daily recovery points of database and tables in a vault, with copies elsewhere; without it Aurora and DynamoDB keep 35 days by themselves. */
  backup: z
    .strictObject({
      /** 35 unless said. */
      retentionDays: z.number().int().min(7).max(3650).default(35),
      /** Vaults in other regions or accounts. */
      copyToVaultArns: z.array(arn('backup')).max(5).default([]),
    })
    .optional(),
  /** Rate limits by their settings' names; docs/operator/rate-limit-scope.md says what each means. */
  limits: z.strictObject(limitSettings()).prefault({}),
});

/** What no single key can say. */
export const configSchema = schema.superRefine((config, context) => {
  const refuse = (path: readonly (string | number)[], message: string): void =>
    context.addIssue({ code: 'custom', path: [...path], message });
  const { existingDatabase, loadBalancer } = config;
  if (config.maxCapacity < config.minCapacity) refuse(['maxCapacity'], 'must not be below minCapacity');
  if (config.proxy && config.minCapacity === 0)
    refuse(['proxy'], 'keeps the database awake: set minCapacity above 0, or leave the proxy out');
  if (existingDatabase !== undefined) {
    for (const key of ['vpc', 'proxy'] as const)
      if (config[key] !== undefined && config[key] !== false) refuse([key], 'belongs to a new database; existingDatabase excludes it');
    if (config.backup !== undefined) refuse(['backup'], 'who looks after the existing database backs it up; existingDatabase excludes it');
  }
  if (config.vpc !== undefined && config.egress === 'nat') refuse(['egress'], 'is a matter of the network that vpc names');
  if (config.domain !== undefined && !config.edge) refuse(['domain'], 'needs the edge, for pki. under it');
  if (config.domain !== undefined && loadBalancer !== undefined) refuse(['loadBalancer'], 'excludes domain: it is the only entrance');
  if (config.iamCallers && loadBalancer !== undefined) refuse(['iamCallers'], 'needs the HTTP API: a load balancer verifies no signatures');
  if (config.certificateManagerRoles.length > 0 && config.certificateManagerRegions.length === 0)
    refuse(['certificateManagerRoles'], 'import nowhere: certificateManagerRegions is empty');
  if (config.webAclArn !== undefined && loadBalancer === undefined && !config.edge)
    refuse(['webAclArn'], 'has nothing to stand in front of');
  if (config.webAclArn?.includes(':global/') === (loadBalancer !== undefined))
    refuse(['webAclArn'], loadBalancer === undefined ? 'must have the scope CLOUDFRONT' : 'must have the scope REGIONAL');
  const network = existingDatabase === undefined ? 'own' : existingDatabase.vpc;
  if (loadBalancer !== undefined && network === undefined)
    refuse(['loadBalancer'], 'needs the network of the database: existingDatabase.vpc');
  if (loadBalancer?.internal === false && loadBalancer.subnetIds === undefined)
    refuse(['loadBalancer', 'subnetIds'], 'must be public subnets of the network, when the entrance is not internal');
  if (loadBalancer?.subnetIds !== undefined && (existingDatabase?.vpc ?? config.vpc) === undefined)
    refuse(['loadBalancer', 'subnetIds'], 'are subnets of a network that exists: existingDatabase.vpc or vpc');
});

export type Config = z.output<typeof configSchema>;

/** @throws {Error} one line that names what is wrong */
export function readConfig(context: unknown): Config {
  const result = configSchema.safeParse(typeof context === 'string' ? parsed(context) : (context ?? {}));
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${['certctl', ...issue.path].join('.')}: ${issue.message}`);
  throw new Error(`the CDK context is not valid: ${problems.join('; ')}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Error(`the CDK context is not valid: certctl: is no JSON object: ${text.slice(0, 40)}`);
  }
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
