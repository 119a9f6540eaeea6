import * as z from 'zod';

/** The database's part of a function's environment. */
export const databaseEnvironment = z.object({
  DATABASE_HOST: z.string().min(1),
  DATABASE_PORT: z.coerce.number().int().positive().default(5432),
  DATABASE_NAME: z.string().min(1),
  DATABASE_USER: z.string().min(1),
  DATABASE_AUTH: z.enum(['iam', 'secret']),
  DATABASE_SECRET_ARN: z.string().optional(),
  /** PEM of the authority that the server's certificate must lead to; without it, those that Node trusts. */
  DATABASE_CA: z.string().startsWith('-----BEGIN CERTIFICATE-----').optional(),
  DATABASE_POOL: z.coerce.number().int().positive().max(50).default(1),
  AWS_REGION: z.string().default('us-east-1'),
});
export type DatabaseEnvironment = z.infer<typeof databaseEnvironment>;
