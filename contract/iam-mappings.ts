import * as z from 'zod';
import { namedPrincipal } from '#domain/access/iam-principal.ts';
import { grant, newGrant } from './access.ts';
import { list } from './list.ts';
import { ownerId } from './people.ts';
import { nothing, route } from './route.ts';

const path = '/api/v1/auth/iam-mappings';
const params = z.strictObject({ id: z.string().regex(/^im-[0-9a-z-]{1,60}$/, 'the id of a mapping') });
const principal = z
  .string()
  .max(700)
  .refine((arn) => namedPrincipal(arn) !== undefined, 'the ARN of a role or a user, like arn:aws:iam::111122223333:role/deploy');
const changeable = {
  description: z.string().max(1000).default('').describe('Who or what it is'),
  roles: z.array(newGrant).min(1).max(50).describe('What it may do, and where'),
};

export const iamMapping = z.strictObject({
  id: z.string(),
  principal: z.string().describe('Without the path of the role or user: names are unique in an account'),
  actor: z.string().describe('How the audit trail calls what the identity does'),
  description: z.string(),
  roles: z.array(grant),
  owner: z.string().nullable().describe(`Whose identity it is, where it is a person's.`),
  version: z.number().int(),
  created_by: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  last_used_at: z.string().nullable().describe('To the minute'),
  ended_at: z.string().nullable(),
});
export type IamMappingBody = z.infer<typeof iamMapping>;

export const listIamMappings = route(
  list({
    operation: 'listIamMappings',
    command: 'iam-mappings list',
    path,
    summary: 'AWS identities that may call and what each may do, newest first',
    permission: 'auth.key.list',
    params: nothing,
    filters: { principal: principal.optional().describe('ARN of a role or user; sessions of a role are the role') },
    item: iamMapping,
    sorts: ['-created_at'],
  }),
);

export const getIamMapping = route({
  operation: 'getIamMapping',
  command: 'iam-mappings get',
  method: 'GET',
  path: `${path}/{id}`,
  summary: 'What one AWS identity may do',
  permission: 'auth.key.list',
  params,
  query: nothing,
  body: nothing,
  answer: iamMapping,
  status: 200,
  versioned: true,
});

export const createIamMapping = route({
  operation: 'createIamMapping',
  command: 'iam-mappings create',
  method: 'POST',
  path,
  summary: 'Lets an AWS role or user call, with no more rights than the maker has; its requests go to /iam and are signed (SigV4)',
  permission: 'auth.key.create',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    principal: principal.describe('ARN of a role or user; sessions of a role are the role'),
    ...changeable,
    owner: ownerId.nullable().default(null).describe('Whose identity it is: somebody who also has a key is no second person'),
  }),
  answer: iamMapping,
  status: 201,
  versioned: true,
});

export const replaceIamMapping = route({
  operation: 'replaceIamMapping',
  command: 'iam-mappings replace',
  method: 'PUT',
  path: `${path}/{id}`,
  summary: 'Replaces description and roles: none that reaches further than the granter, and never of oneself; identity and owner stay',
  permission: 'auth.role.assign',
  params,
  query: nothing,
  body: z.strictObject(changeable),
  answer: iamMapping,
  status: 200,
  versioned: true,
});

export const deleteIamMapping = route({
  operation: 'deleteIamMapping',
  command: 'iam-mappings delete',
  method: 'DELETE',
  path: `${path}/{id}`,
  summary: 'Ends a mapping at once; what the identity did stays in the audit trail',
  permission: 'auth.key.delete',
  params,
  query: nothing,
  body: nothing,
  answer: iamMapping,
  status: 200,
  versioned: true,
});
