import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
  type AttributeValue,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inDynalite, named, own, type TestTable } from './table.ts';

type Values = Record<string, AttributeValue>;
interface Operation {
  readonly kind: 'put' | 'get' | 'update' | 'delete';
  readonly pk: string;
  readonly item: Values;
  readonly update: string;
  readonly condition: string | undefined;
  readonly returns: 'NONE' | 'ALL_OLD' | 'ALL_NEW' | 'UPDATED_NEW';
  readonly values: Values;
}

const names = ['a', 'b', '#c'] as const;
const bound = [':n', ':m', ':s', ':b'] as const;
const value: fc.Arbitrary<AttributeValue> = fc.oneof(
  fc.bigInt({ min: -5n, max: 5n }).map((n) => ({ N: String(n) })),
  fc.constantFrom('1764000000000000', '1764000000000001', '9007199254740993').map((N) => ({ N })),
  fc.constantFrom('', 'x', 'y', 'é').map((S) => ({ S })),
  fc.boolean().map((BOOL) => ({ BOOL })),
  fc.constantFrom('', 'ab').map((text) => ({ B: Buffer.from(text) })),
  fc.constant({ NULL: true }),
);
const integer = fc.bigInt({ min: -5n, max: 1764000000000001n }).map((n) => ({ N: String(n) }));
const comparison = fc
  .oneof(
    fc.tuple(fc.constantFrom<string>(...names), fc.constantFrom('=', '<>'), fc.constantFrom<string>(...bound)),
    fc.tuple(fc.constantFrom<string>(...names), fc.constantFrom('<', '<=', '>', '>='), fc.constantFrom(':n', ':m')),
  )
  .map((parts) => parts.join(' '));
const term = fc.oneof(
  comparison,
  fc.constantFrom(...names).map((name) => `attribute_exists(${name})`),
  fc.constantFrom(...names, 'pk').map((name) => `attribute_not_exists(${name})`),
);
const conditionText = fc.oneof(
  term,
  fc.tuple(term, fc.constantFrom('AND', 'OR'), term).map((parts) => parts.join(' ')),
  fc.tuple(term, term, term).map(([x, y, z]) => `${x} AND (${y} OR NOT ${z})`),
);
const setClause = (name: string): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom(...bound).map((one) => `${name} = ${one}`),
    fc.constantFrom('+', '-').map((sign) => `${name} = ${name} ${sign} :n`),
    fc.constantFrom(...names).map((other) => `${name} = if_not_exists(${other}, :m) + :n`),
  );
const updateText = fc
  .oneof(
    fc.constantFrom(...names).chain(setClause),
    fc.tuple(setClause('a'), setClause('b')).map(([x, y]) => `SET ${x}, ${y}`),
    fc.constantFrom(...names).map((name) => `REMOVE ${name}`),
    fc.tuple(setClause('a'), fc.constantFrom('b', '#c')).map(([x, name]) => `SET ${x} REMOVE ${name}`),
  )
  .map((text) => (/^(?:SET|REMOVE) /.test(text) ? text : `SET ${text}`));

const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constantFrom('put', 'get', 'update', 'update', 'delete'),
  pk: fc.constantFrom('k1', 'k2', 'k3'),
  item: fc.dictionary(fc.constantFrom('a', 'b', 'state'), value, { maxKeys: 3 }),
  update: updateText,
  condition: fc.option(conditionText, { nil: undefined }),
  returns: fc.constantFrom('NONE', 'ALL_OLD', 'ALL_NEW', 'UPDATED_NEW'),
  values: fc.record({ ':n': integer, ':m': integer, ':s': value, ':b': value }),
});

/** Names and values that nobody refers to are refused, so only those that an expression has are sent. */
function bindings(operation: Operation, ...texts: (string | undefined)[]): object {
  const text = texts.join(' ');
  const values = Object.fromEntries(Object.entries(operation.values).filter(([name]) => text.includes(name)));
  return {
    ...(text.includes('#c') && { ExpressionAttributeNames: { '#c': 'state' } }),
    ...(Object.keys(values).length > 0 && { ExpressionAttributeValues: values }),
  };
}

async function run(client: DynamoDBClient, TableName: string, operation: Operation, prefix: string): Promise<unknown> {
  const pk = { S: prefix + operation.pk };
  const condition = operation.condition === undefined ? {} : { ConditionExpression: operation.condition };
  const onFailure = { ReturnValuesOnConditionCheckFailure: 'ALL_OLD' } as const;
  const old = operation.returns === 'ALL_OLD' ? 'ALL_OLD' : 'NONE';
  try {
    switch (operation.kind) {
      case 'get':
        return (await client.send(new GetItemCommand({ TableName, Key: { pk }, ConsistentRead: true }))).Item;
      case 'put':
        return (
          (
            await client.send(
              new PutItemCommand({
                TableName,
                Item: { ...operation.item, pk },
                ...condition,
                ...bindings(operation, operation.condition),
                ReturnValues: old,
                ...onFailure,
              }),
            )
          ).Attributes ?? {}
        );
      case 'delete':
        return (
          (
            await client.send(
              new DeleteItemCommand({
                TableName,
                Key: { pk },
                ...condition,
                ...bindings(operation, operation.condition),
                ReturnValues: old,
                ...onFailure,
              }),
            )
          ).Attributes ?? {}
        );
      case 'update':
        return (
          (
            await client.send(
              new UpdateItemCommand({
                TableName,
                Key: { pk },
                UpdateExpression: operation.update,
                ...condition,
                ...bindings(operation, operation.update, operation.condition),
                ReturnValues: operation.returns,
                ...onFailure,
              }),
            )
          ).Attributes ?? {}
        );
    }
  } catch (error) {
    return { error: (error as Error).name, item: (error as { Item?: unknown }).Item };
  }
}

describe.each([inDynalite, ...named])('beside $name', (other) => {
  let [left, right]: TestTable[] = [];
  beforeAll(async () => {
    [left, right] = [await own.open(), await other.open()];
  });
  afterAll(async () => {
    await left?.stop();
    await right?.stop();
  });

  test('random operations answer alike and leave the same items', { timeout: 120_000 }, async () => {
    // dynalite does not return the item on a failed condition: there only the error is compared.
    const shown = (answer: unknown): unknown =>
      other === inDynalite && typeof answer === 'object' && answer !== null && 'error' in answer ? { error: answer.error } : answer;
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), async (operations) => {
        const prefix = `${round++}-`;
        for (const one of operations) {
          const [ours, theirs] = await Promise.all([
            run(left!.client, left!.name, one, prefix),
            run(right!.client, right!.name, one, prefix),
          ]);
          expect([one, shown(ours)]).toEqual([one, shown(theirs)]);
        }
        for (const pk of ['k1', 'k2', 'k3']) {
          const look = { ...operations[0]!, kind: 'get' as const, pk };
          expect(await run(left!.client, left!.name, look, prefix)).toEqual(await run(right!.client, right!.name, look, prefix));
        }
      }),
      { numRuns: 60 },
    );
  });
});

test('a failed condition returns the item as it was', async () => {
  const table = await own.open();
  const { client, name: TableName } = table;
  try {
    const item = { pk: { S: 'k' }, tat: { N: '1764000000000001' } };
    await client.send(new PutItemCommand({ TableName, Item: item }));
    const refused = client.send(
      new UpdateItemCommand({
        TableName,
        Key: { pk: { S: 'k' } },
        UpdateExpression: 'SET tat = :next',
        ConditionExpression: 'tat <= :now',
        ExpressionAttributeValues: { ':next': { N: '2' }, ':now': { N: '1764000000000000' } },
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      }),
    );
    await expect(refused).rejects.toMatchObject({ name: 'ConditionalCheckFailedException', Item: item });
  } finally {
    await table.stop();
  }
});
