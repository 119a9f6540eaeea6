import { GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Profile } from '#domain/issuance/profile.ts';
import { isConditionFailure } from './client.ts';

/**
 * A copy of each profile beside the nonces' keys, so that directories are served without waking PostgreSQL. A stale copy is harmless: every
 * write that relies on a profile is conditional on its version.
 */
export interface ProfileMirror {
  read(id: string): Promise<Profile | undefined>;
  /** Never replaces a newer version. */
  write(profile: Profile): Promise<void>;
}

export function profileMirror(client: DynamoDBClient, table: string): ProfileMirror {
  return {
    async read(id) {
      const { Item } = await client.send(new GetItemCommand({ TableName: table, Key: { pk: { S: `profile#${id}` } } }));
      const body = Item?.['body']?.S;
      return body === undefined ? undefined : (JSON.parse(body) as Profile);
    },
    async write(profile) {
      try {
        await client.send(
          new PutItemCommand({
            TableName: table,
            Item: { pk: { S: `profile#${profile.id}` }, version: { N: String(profile.version) }, body: { S: JSON.stringify(profile) } },
            ConditionExpression: 'attribute_not_exists(pk) OR version <= :version',
            ExpressionAttributeValues: { ':version': { N: String(profile.version) } },
          }),
        );
      } catch (error) {
        if (!isConditionFailure(error)) throw error;
      }
    },
  };
}
