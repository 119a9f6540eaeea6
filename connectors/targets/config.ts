import * as z from 'zod';
import { TargetFailure } from './failure.ts';

// Fields that the configurations of several targets share. They are pure, so that the platform can judge a configuration as the host does.

/** Absolute path of a file, without `..` and without a trailing slash. */
export const path = z
  .string()
  .max(1024)
  .regex(/^\/[^\0]*[^\0/]$/)
  .refine((text) => !text.split('/').includes('..'), 'has a segment ..');

/** A program and its arguments; no shell reads them. */
export const command = z
  .array(
    z
      .string()
      .min(1)
      .max(1024)
      .regex(/^[^\0\r\n]*$/),
  )
  .min(1)
  .max(32)
  .refine(([program = '']) => !program.startsWith('-') && !program.includes('..') && (program.startsWith('/') || !program.includes('/')), {
    message: 'names its program neither by an absolute path nor by a bare name',
  });

/** Permission bits in octal. */
export const mode = z
  .string()
  .regex(/^0[0-7]{3}$/)
  .transform((text) => parseInt(text, 8));

/** Permission bits of a file with a private key: nothing for others. */
export const keyMode = z
  .string()
  .regex(/^0[0-7]{2}0$/)
  .transform((text) => parseInt(text, 8));

/** Name or number of an account or group. */
export const account = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}\$?$/);

/** Name of a secret that the host keeps. */
export const secretRef = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/);

/**
 * A configuration as its target reads it.
 *
 * @throws {TargetFailure} `validate`, naming the field and never its value
 */
export function parseConfig<C>(schema: z.ZodType<C>, config: unknown): C {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? 'the configuration' : issue.path.join('.');
  throw new TargetFailure('validate', `${where}: ${issue?.message ?? 'is not valid'}`);
}
