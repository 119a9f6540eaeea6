import { AwsError } from '../aws-error.ts';
import { condition, update, type Bindings } from './expression.ts';
import type { TableStore } from './store.ts';
import { checkItem, checkKey, invalid, type AttributeValue, type Item } from './value.ts';

interface Input {
  readonly TableName: string;
  readonly Item?: Item;
  readonly Key?: Item;
  readonly ConditionExpression?: string;
  readonly UpdateExpression?: string;
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>>;
  readonly ExpressionAttributeValues?: Readonly<Record<string, AttributeValue>>;
  readonly ReturnValues?: string;
  readonly ReturnValuesOnConditionCheckFailure?: string;
}

interface BatchInput {
  readonly RequestItems: Readonly<
    Record<string, { Keys: readonly Item[]; ProjectionExpression?: string; ExpressionAttributeNames?: Readonly<Record<string, string>> }>
  >;
}

/**
 * The item operations of DynamoDB that the platform uses, on tables whose key is `pk`. One operation runs at a time, so a
 * condition and its write are one.
 */
export function dynamodb(store: TableStore): (operation: string, input: unknown) => Promise<object> {
  const operations: Readonly<Record<string, (input: Input) => object>> = {
    PutItem(input) {
      const item = input.Item ?? {};
      const text = checkItem(item);
      const pk = checkKey(item);
      const before = checked(store, input, pk);
      store.put(input.TableName, pk, text);
      return returned(input.ReturnValues, before, undefined);
    },
    GetItem(input) {
      const item = store.get(input.TableName, checkKey(input.Key ?? {}));
      return item === undefined ? {} : { Item: item };
    },
    UpdateItem(input) {
      const key = input.Key ?? {};
      const pk = checkKey(key);
      const before = checked(store, input, pk);
      const { apply, touched } = update(input.UpdateExpression ?? '');
      const after = apply(before ?? key, bindings(input));
      store.put(input.TableName, pk, checkItem(after));
      return returned(input.ReturnValues, before, after, touched(bindings(input)));
    },
    DeleteItem(input) {
      const pk = checkKey(input.Key ?? {});
      const before = checked(store, input, pk);
      store.delete(input.TableName, pk);
      return returned(input.ReturnValues, before, undefined);
    },
  };
  const batchGet = ({ RequestItems }: BatchInput): object => {
    const tables = Object.entries(RequestItems);
    const keys = tables.flatMap(([, { Keys }]) => Keys);
    if (keys.length === 0 || keys.length > 100) throw invalid('Too many items requested for the BatchGetItem call');
    const read = ([table, { Keys, ProjectionExpression, ExpressionAttributeNames = {} }]: (typeof tables)[number]): [string, Item[]] => {
      if (!store.has(table)) throw new AwsError('ResourceNotFoundException', `Requested resource not found: Table: ${table} not found`);
      const wanted = ProjectionExpression?.split(',').map((name) => ExpressionAttributeNames[name.trim()] ?? name.trim());
      const pks = Keys.map(checkKey);
      if (new Set(pks).size < pks.length) throw invalid('Provided list of item keys contains duplicates');
      const items = pks.map((pk) => store.get(table, pk)).filter((item) => item !== undefined);
      return [
        table,
        items.map((item): Item => Object.fromEntries(Object.entries(item).filter(([name]) => wanted?.includes(name) ?? true))),
      ];
    };
    return { Responses: Object.fromEntries(tables.map(read)), UnprocessedKeys: {} };
  };
  return async (operation, input) => {
    if (operation === 'BatchGetItem') {
      const answer = batchGet(input as BatchInput);
      await store.written();
      return answer;
    }
    const run = operations[operation];
    if (run === undefined) throw new AwsError('UnknownOperationException', `${operation} is not played here`);
    const { TableName } = input as Input;
    if (!store.has(TableName))
      throw new AwsError('ResourceNotFoundException', `Requested resource not found: Table: ${TableName} not found`);
    try {
      return run(input as Input);
    } finally {
      // Also what is only seen must not be lost by a crash after it was seen.
      await store.written();
    }
  };
}

function bindings(input: Input): Bindings {
  return { names: input.ExpressionAttributeNames ?? {}, values: input.ExpressionAttributeValues ?? {} };
}

/** The item as it is, if the condition holds for it. */
function checked(store: TableStore, input: Input, pk: string): Item | undefined {
  const before = store.get(input.TableName, pk);
  if (input.ConditionExpression === undefined || condition(input.ConditionExpression)(before, bindings(input))) return before;
  const old = input.ReturnValuesOnConditionCheckFailure === 'ALL_OLD' && before !== undefined ? { Item: before } : {};
  throw new AwsError('ConditionalCheckFailedException', 'The conditional request failed', 400, old);
}

function returned(wanted: string | undefined, before: Item | undefined, after: Item | undefined, touched: readonly string[] = []): object {
  switch (wanted) {
    case undefined:
    case 'NONE':
      return {};
    case 'ALL_OLD':
      return before === undefined ? {} : { Attributes: before };
    case 'ALL_NEW':
      return { Attributes: after ?? {} };
    case 'UPDATED_NEW': {
      const changed = Object.entries(after ?? {}).filter(([name]) => touched.includes(name));
      return changed.length === 0 ? {} : { Attributes: Object.fromEntries(changed) };
    }
    default:
      throw invalid(`ReturnValues ${wanted} is not played here`);
  }
}
