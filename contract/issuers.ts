import * as z from 'zod';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

const id = z.string().regex(/^iss-[0-9a-z-]{1,60}$/, 'the id of an issuer');
const config = z.record(z.string().max(64), z.union([z.string().max(500), z.number(), z.boolean()]));

export const issuer = z.strictObject({
  id,
  name: z.string(),
  type: z.enum(['local', 'aws-private-ca']),
  config,
  enabled: z.boolean(),
  version: z.number().int(),
  created_at: z.string(),
});
export type IssuerBody = z.infer<typeof issuer>;

export const listIssuers = route(
  list({
    operation: 'listIssuers',
    command: 'issuers list',
    path: '/api/v1/issuers',
    summary: 'Who signs: the platform’s own CAs, and CAs elsewhere',
    scope: 'rows',
    permission: 'issuer.read',
    params: nothing,
    filters: { type: issuer.shape.type.optional().describe('What kind of CA it is') },
    item: issuer,
    sorts: ['name', 'created_at'],
  }),
);

export const createIssuer = route({
  operation: 'createIssuer',
  command: 'issuers create',
  method: 'POST',
  path: '/api/v1/issuers',
  summary: 'Adds an AWS Private CA; the deployment must name its ARN in privateCaArns, which gives the connector the permission',
  permission: 'issuer.edit',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    name: z.string().min(1).max(128).describe('What the issuer is called'),
    type: z.literal('aws-private-ca').describe('What kind of CA it is'),
    config: z
      .strictObject({
        caArn: z
          .string()
          .regex(
            /^arn:aws(?:-[a-z]+)*:acm-pca:[a-z0-9-]+:\d{12}:certificate-authority\/[a-f0-9-]{36}$/,
            'the ARN of a private certificate authority',
          ),
        signingAlgorithm: z
          .enum(['SHA256WITHRSA', 'SHA384WITHRSA', 'SHA512WITHRSA', 'SHA256WITHECDSA', 'SHA384WITHECDSA', 'SHA512WITHECDSA'])
          .default('SHA256WITHECDSA'),
        templateArn: z
          .string()
          .regex(/^arn:aws(?:-[a-z]+)*:acm-pca:::template\/[A-Za-z0-9_/]+$/, 'the ARN of a template')
          .optional(),
      })
      .describe('Which CA, and how it shall sign'),
  }),
  answer: issuer,
  status: 201,
  versioned: true,
});

export const setIssuerEnabled = route({
  operation: 'setIssuerEnabled',
  command: 'issuers switch',
  method: 'PUT',
  path: '/api/v1/issuers/{id}/enabled',
  summary: 'Switches an issuer on or off; jobs of one that is off fail and say so',
  scope: 'rows',
  permission: 'issuer.edit',
  params: z.strictObject({ id }),
  query: nothing,
  body: z.strictObject({ enabled: z.boolean().describe('Whether it signs') }),
  answer: issuer,
  status: 200,
  versioned: true,
});
