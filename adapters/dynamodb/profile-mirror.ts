import { GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { keptProfile, type Profile } from '#domain/issuance/profile.ts';
import { isConditionFailure } from './client.ts';

/** What the shared directory offers, and a number that grows with every change. */
export interface SelectableProfiles {
  readonly version: number;
  readonly profiles: readonly { readonly id: string; readonly description: string }[];
}

const selectableKey = 'profiles-selectable';

/**
 * A copy of each profile beside the nonces' keys, so that directories are served without waking PostgreSQL. A stale copy is harmless: every
 * write that relies on a profile is conditional on its version.
 */
export interface ProfileMirror {
  /** Profiles of the shared directory. */
  readSelectable(): Promise<SelectableProfiles['profiles']>;
  writeSelectable(list: SelectableProfiles): Promise<void>;
  read(id: string): Promise<Profile | undefined>;
  /** Never replaces a newer version. */
  write(profile: Profile): Promise<void>;
}

export function profileMirror(client: DynamoDBClient, table: string): ProfileMirror {
  const read = async (pk: string): Promise<unknown> => {
    const { Item } = await client.send(new GetItemCommand({ TableName: table, Key: { pk: { S: pk } } }));
    const body = Item?.['body']?.S;
    return body === undefined ? undefined : JSON.parse(body);
  };
  const write = async (pk: string, version: number, body: unknown): Promise<void> => {
    try {
      await client.send(
        new PutItemCommand({
          TableName: table,
          Item: { pk: { S: pk }, version: { N: String(version) }, body: { S: JSON.stringify(body) } },
          ConditionExpression: 'attribute_not_exists(pk) OR version <= :version',
          ExpressionAttributeValues: { ':version': { N: String(version) } },
        }),
      );
    } catch (error) {
      if (!isConditionFailure(error)) throw error;
    }
  };
  return {
    async read(id) {
      const kept = await read(`profile#${id}`);
      return kept === undefined ? undefined : keptProfile(kept);
    },
    write: (profile) => write(`profile#${profile.id}`, profile.version, profile),
    readSelectable: async () => ((await read(selectableKey)) ?? []) as SelectableProfiles['profiles'],
    writeSelectable: (list) => write(selectableKey, list.version, list.profiles),
  };
}
