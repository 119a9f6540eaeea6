import { GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { isConditionFailure } from './client.ts';

export interface MadeOnce {
  readonly pk: string;
  readonly attribute: string;
  /** Seconds since the epoch when it may be forgotten; undefined: never. */
  readonly exp?: number;
  readonly make: () => Promise<Uint8Array>;
}

/** Bytes that whoever needs them first makes; the others read the winner's. */
export async function madeOnce(client: DynamoDBClient, table: string, { pk, attribute, exp, make }: MadeOnce): Promise<Uint8Array> {
  const read = async (): Promise<Uint8Array | undefined> => {
    const { Item } = await client.send(new GetItemCommand({ TableName: table, Key: { pk: { S: pk } }, ConsistentRead: true }));
    return Item?.[attribute]?.B;
  };
  const known = await read();
  if (known !== undefined) return known;
  const made = await make();
  const end = exp === undefined ? {} : { exp: { N: String(exp) } };
  try {
    const Item = { pk: { S: pk }, [attribute]: { B: made }, ...end };
    await client.send(new PutItemCommand({ TableName: table, Item, ConditionExpression: 'attribute_not_exists(pk)' }));
    return made;
  } catch (error) {
    if (!isConditionFailure(error)) throw error;
    const winner = await read();
    if (winner === undefined) throw new Error(`${pk} vanished`, { cause: error });
    return winner;
  }
}
