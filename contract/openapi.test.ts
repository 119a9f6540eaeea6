import { expect, test } from 'vitest';
import { membersOf } from './json-schema.ts';
import { openApi } from './openapi.ts';
import { routes } from './routes.ts';
import { queryOf } from './sparse.ts';

test('whatever a request may hold says what it is, to people on the command line and to models', () => {
  const silent = routes.flatMap(({ route }) =>
    [route.params, queryOf(route), route.body].flatMap((part) =>
      Object.entries(membersOf(part).properties)
        .filter(([, { description }]) => typeof description !== 'string' || description.length < 3)
        .map(([name]) => `${route.operation}: ${name}`),
    ),
  );
  expect(silent).toEqual([]);
});

test('where nothing else is said, what the pattern wants is', () => {
  const { paths } = openApi('test') as { paths: Record<string, { get?: { parameters: readonly { name?: string; schema: object }[] } }> };
  const [id] = paths['/api/v1/certificates/{id}']?.get?.parameters ?? [];
  expect(id).toEqual({
    name: 'id',
    in: 'path',
    required: true,
    schema: { type: 'string', pattern: '^mc-[0-9a-z-]{1,60}$', description: 'The id of a managed certificate' },
  });
});
