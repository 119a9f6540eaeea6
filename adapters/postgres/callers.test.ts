import { expect, test } from 'vitest';
import { callingPrincipal } from '#domain/access/iam-principal.ts';
import { callerStore } from './callers.ts';
import type { Database } from './database.ts';

const deploy = callingPrincipal('arn:aws:sts::111122223333:assumed-role/deploy/one')!;

/** A database with one row, or none. */
function store(row: object | undefined): { readonly callers: ReturnType<typeof callerStore>; readonly asked: string[] } {
  const asked: string[] = [];
  const query = async ({ name }: { name: string }): Promise<object[]> => {
    asked.push(name);
    return row === undefined || name.endsWith('used') ? [] : [row];
  };
  return { callers: callerStore({ query } as unknown as Database), asked };
}

test('an AWS identity is one query, and once a minute the note that its mapping is in use', async () => {
  const grants = [{ role: 'r-viewer', type: 'global', id: null }];
  const known = store({ id: 'im-1', actor: deploy.actor, unnoted: false, grants });
  expect(await known.callers.mapped(deploy)).toEqual({ id: 'IAM:111122223333:deploy', name: deploy.arn, grants });
  expect(known.asked).toEqual(['caller-by-principal']);
  const unnoted = store({ id: 'im-1', actor: deploy.actor, unnoted: true, grants });
  await unnoted.callers.mapped(deploy);
  expect(unnoted.asked).toEqual(['caller-by-principal', 'mapping-used']);
});

test('an AWS identity without a mapping is one query too, and nobody', async () => {
  const { callers, asked } = store(undefined);
  expect(await callers.mapped(deploy)).toBeUndefined();
  expect(asked).toEqual(['caller-by-principal']);
});
