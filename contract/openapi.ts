import type * as z from 'zod';
import { membersOf, schema, type Json } from './json-schema.ts';
import { entityTag, idempotencyKey } from './header.ts';
import { isConditional, type Route } from './route.ts';
import { routes } from './routes.ts';
import { queryOf, sparseAnswer } from './sparse.ts';

const problem = {
  type: 'object',
  description: 'What went wrong (RFC 9457)',
  required: ['type', 'title', 'status'],
  properties: {
    type: { type: 'string', description: '`urn:certctl:error:` and a stable code' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string', description: '`urn:certctl:request:` and the id of the request' },
  },
} as const;

const refusals: Readonly<Record<number, string>> = {
  400: 'Malformed; the detail names the member',
  401: 'No valid key, or an AWS identity without a mapping',
  403: 'The key does not have the permission, or not for the whole platform',
  404: 'There is none, or none that the key may see',
  409: 'The resource is in a state that does not allow this, exists, or another request with the same Idempotency-Key is under way',
  412: 'The resource has another version by now',
  413: 'The body is too large',
  415: 'The body is no JSON',
  422: 'The policy refuses it, or the Idempotency-Key belongs to another request',
  428: 'Say in If-Match which version is meant',
  429: 'Too many requests; Retry-After says when to come back',
  500: 'Something went wrong on our side',
  410: 'The agent is retired',
  503: 'Not available at the moment; Retry-After says when to come back',
};

/**
 * The OpenAPI 3.1 document of every route.
 *
 * @param release the version that it says of itself
 */
export function openApi(release: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const { resource, route } of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(resource, route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'certctl on Lambda',
      version: release,
      description:
        'The control plane. ACME (`/acme/directory`), CRL and OCSP (`/.well-known/pki/`) are protocols of their own and not described here. Where the deployment has `iamCallers`, every path is also under `/iam`, for requests that AWS identities have signed (SigV4, service `execute-api`)',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    tags: [...new Set(routes.map(({ resource }) => resource))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An API key: `Authorization: Bearer ck_…`' },
        agent: {
          type: 'apiKey',
          in: 'header',
          name: 'Signature',
          description:
            'An agent’s signature over method, path, query and body (RFC 9421, ecdsa-p256-sha256), with Signature-Input and Content-Digest',
        },
        enrolment: { type: 'apiKey', in: 'header', name: 'X-Enrolment-Token', description: 'A token that admits hosts' },
      },
      parameters: headerFields,
      responses: {
        304: { description: 'It is what If-None-Match says' },
        ...Object.fromEntries(Object.entries(refusals).map(([status, description]) => [status, refusal(description)])),
      },
      schemas: { Problem: problem },
    },
  };
}

function operation(resource: string, route: Route): Json {
  const params = parameters(route.params, 'path');
  const query = parameters(queryOf(route), 'query');
  const headers = headersOf(route);
  const body = membersOf(route.body);
  const hasBody = Object.keys(body.properties).length > 0;
  const isPublic = route.permission === 'public';
  const refused = [
    ...(params.length + query.length > 0 || hasBody || route.method !== 'GET' ? [400] : []),
    ...(isPublic ? [] : [401, 403]),
    ...(params.length > 0 ? [404] : []),
    ...(route.permission === 'agent' ? [410] : []),
    // Also a look at something may meet a state in which there is nothing to see.
    ...(params.length > 0 || route.method !== 'GET' ? [409] : []),
    ...(isConditional(route) ? [412, 428] : []),
    ...(route.method === 'GET' ? [] : [413, 415, 422]),
    429,
    500,
    ...(route.otherwise === undefined ? [503] : []),
  ];
  const answer = { [route.media ?? 'application/json']: { schema: schema(sparseAnswer(route), 'output') } };
  return {
    operationId: route.operation,
    tags: [resource],
    summary: route.summary,
    ...(isPublic && { security: [] }),
    ...(route.permission === 'agent' && { security: [{ agent: [] }] }),
    ...(route.permission === 'enrolment' && { security: [{ enrolment: [], agent: [] }] }),
    'x-certctl-permission': route.permission,
    ...(route.scope !== undefined && { 'x-certctl-scope': route.scope }),
    parameters: [...params, ...query, ...headers],
    ...(hasBody && {
      requestBody: { required: body.required.length > 0, content: { 'application/json': { schema: schema(route.body, 'input') } } },
    }),
    responses: {
      [route.status]: { description: route.summary, ...(route.versioned && { headers: { ETag: etag } }), content: answer },
      ...(route.method === 'GET' && !isPublic && { 304: { $ref: '#/components/responses/304' } }),
      ...(route.accepted !== undefined && {
        202: { description: 'It waits for an approval', content: { 'application/json': { schema: schema(route.accepted, 'output') } } },
      }),
      ...(route.otherwise !== undefined && { [route.otherwise]: { description: 'The same, and all is not well', content: answer } }),
      ...Object.fromEntries(refused.map((status) => [status, { $ref: `#/components/responses/${status}` }])),
    },
  };
}

const etag = { description: 'The version, for If-Match', schema: { type: 'string' } } as const;

const headerFields = {
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: true,
    description: 'The ETag that was read, or `*` for whatever version there is',
    schema: schema(entityTag, 'input'),
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description: 'Makes repetitions harmless: they get the first answer, for a day',
    schema: schema(idempotencyKey, 'input'),
  },
} as const;

/** Header fields that a route looks at, besides the key. */
function headersOf(route: Route): readonly Json[] {
  const names = [
    ...(isConditional(route) ? ['IfMatch'] : []),
    ...(route.method === 'GET' || ['public', 'agent', 'enrolment'].includes(route.permission) ? [] : ['IdempotencyKey']),
  ];
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

function refusal(description: string): Json {
  return { description, content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };
}

function parameters(of: z.ZodType, where: 'path' | 'query'): readonly Json[] {
  const { properties, required } = membersOf(of);
  return Object.entries(properties).map(([name, shape]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: shape,
  }));
}
