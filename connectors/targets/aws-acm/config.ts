import * as z from 'zod';
import { verifySchema } from '../endpoint.ts';

const reserved = /^(aws:|certctl:)/i;
const tagKey = z.string().regex(/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u);
const tags = z
  .record(tagKey, z.string().max(256))
  .refine((given) => Object.keys(given).length <= 40, 'are more than 40')
  .refine((given) => !Object.keys(given).some((key) => reserved.test(key)), 'one begins with aws: or certctl:');

// Segments of a role's path have no @ here, so that no role lies below another's address in a host's allow list.
const roleArn = /^arn:aws(-[a-z]+)*:iam::\d{12}:role\/([A-Za-z0-9_+=,.-]{1,128}\/){0,8}[A-Za-z0-9_+=,.@-]{1,64}$/;

/** A certificate of AWS Certificate Manager. */
export const awsAcmConfig = z
  .strictObject({
    region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'a region of AWS'),
    /** An imported certificate that is there already; without it the first deployment makes one. */
    certificate_arn: z
      .string()
      .regex(/^arn:aws(-[a-z]+)*:acm:[a-z0-9-]+:\d{12}:certificate\/[A-Za-z0-9-]{1,64}$/, 'the ARN of a certificate')
      .optional(),
    /** Whom to act as, in this account or another; without it as whoever runs this. */
    role_arn: z.string().regex(roleArn, 'the ARN of a role').optional(),
    /** What the role's trust demands of who assumes it. No secret: AWS shows it to whoever may read the role. */
    external_id: z
      .string()
      .regex(/^[A-Za-z0-9_+=,.@:/-]{2,1224}$/, 'an external id')
      .optional(),
    /** CloudFront takes certificates from one region alone. */
    for_cloudfront: z.boolean().default(false),
    /** Of a new certificate; besides two of ours. */
    tags: tags.default({}),
    /** Where the platform makes the key: whether its seal stays until the certificate after it is verified, to roll back to. */
    keep_previous_key: z.boolean().default(false),
    /** Something that serves it; `off` leaves it at what ACM says. */
    verify: verifySchema,
  })
  .refine(({ region, for_cloudfront }) => !for_cloudfront || region === 'us-east-1', {
    path: ['region'],
    message: 'CloudFront takes certificates from us-east-1 alone',
  })
  .refine(({ region, certificate_arn }) => certificate_arn === undefined || certificate_arn.split(':')[3] === region, {
    path: ['certificate_arn'],
    message: 'is of another region',
  })
  .refine(({ role_arn, external_id }) => external_id === undefined || role_arn !== undefined, {
    path: ['external_id'],
    message: 'is for a role_arn, which there is none of',
  })
  .refine(({ role_arn, certificate_arn: arn }) => role_arn === undefined || arn === undefined || accountOf(arn) === accountOf(role_arn), {
    path: ['certificate_arn'],
    message: 'is of another account than role_arn',
  });

function accountOf(arn: string): string | undefined {
  return arn.split(':')[4];
}
