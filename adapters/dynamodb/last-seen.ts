import { GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';

/** What somebody last saw of something that must not be woken to be asked. */
export interface LastSeen {
  read(): Promise<{ readonly state: string; readonly at: string; readonly detail: string } | undefined>;
  write(seen: { readonly state: string; readonly at: string; readonly detail: string }): Promise<void>;
}

export function lastSeen(client: DynamoDBClient, table: string, what: string): LastSeen {
  const pk = { S: `last-seen#${what}` };
  return {
    async read() {
      const { Item } = await client.send(new GetItemCommand({ TableName: table, Key: { pk } }));
      const { state, at, detail } = Item ?? {};
      return state?.S === undefined || at?.S === undefined ? undefined : { state: state.S, at: at.S, detail: detail?.S ?? '' };
    },
    async write(seen) {
      await client.send(
        new PutItemCommand({ TableName: table, Item: { pk, state: { S: seen.state }, at: { S: seen.at }, detail: { S: seen.detail } } }),
      );
    },
  };
}
