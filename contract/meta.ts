import * as z from 'zod';
import { nothing, route } from './route.ts';

export const getOpenApi = route({
  operation: 'getOpenApi',
  command: 'openapi',
  method: 'GET',
  path: '/api/v1/openapi.json',
  summary: 'This description of the API (OpenAPI 3.1)',
  permission: 'public',
  params: nothing,
  query: nothing,
  body: nothing,
  answer: z.looseObject({ openapi: z.literal('3.1.0') }),
  status: 200,
});
