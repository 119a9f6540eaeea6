import { createHash } from 'node:crypto';
import { GetItemCommand, UpdateItemCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { isConditionFailure } from './client.ts';

/** What must be known of an agent at each of its calls, without PostgreSQL. */
export interface AgentState {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly name: string;
  readonly retired: boolean;
  /** Raised with every job that is made for it. */
  readonly seq: number;
  /** What `seq` was when the agent last found all of its work. */
  readonly drainedSeq: number;
  /** When a job of its becomes due that was not, as of then. Milliseconds since the epoch. */
  readonly nextDue: number;
  /** What it last said of its host, in short. */
  readonly facts: string;
}

export interface AgentStates {
  read(id: string): Promise<AgentState | undefined>;
  /** Mirrors an agent's row, and says that there may be work. */
  tell(agent: { readonly id: string; readonly name: string; readonly publicKey: Uint8Array; readonly retired: boolean }): Promise<void>;
  /** All that was there when `seq` was read has been claimed; unless a later look has said so already. */
  drained(id: string, seq: number, nextDue: number): Promise<void>;
  said(id: string, facts: string): Promise<void>;
  /** Notes a heartbeat; true when the agent was away until now. */
  beat(id: string, now: number): Promise<boolean>;
  /** When agents were last heard of, milliseconds since the epoch; those that are away are not in it. */
  heard(): Promise<ReadonlyMap<string, number>>;
  /** The agent is away, unless it was heard of since. */
  away(id: string, notSince: number): Promise<boolean>;
}

// Heartbeats lie some dozens in an item, so that who looks for the silent ones reads these few instead of each agent.
const shards = 32;

/** Agents in the state table: one item each (`agent#<id>`), and their heartbeats in a few (`agents-heard#<n>`). */
export function agentStates(client: DynamoDBClient, table: string): AgentStates {
  const read = async (pk: string): Promise<Record<string, AttributeValue> | undefined> =>
    (await client.send(new GetItemCommand({ TableName: table, Key: { pk: { S: pk } }, ConsistentRead: true }))).Item;
  const update = async (
    pk: string,
    expression: string,
    more: { readonly values?: Record<string, AttributeValue>; readonly names?: Record<string, string>; readonly condition?: string },
  ): Promise<boolean> => {
    try {
      await client.send(
        new UpdateItemCommand({
          TableName: table,
          Key: { pk: { S: pk } },
          UpdateExpression: expression,
          ...(more.values && { ExpressionAttributeValues: more.values }),
          ...(more.names && { ExpressionAttributeNames: more.names }),
          ...(more.condition !== undefined && { ConditionExpression: more.condition }),
        }),
      );
      return true;
    } catch (error) {
      if (isConditionFailure(error)) return false;
      throw error;
    }
  };
  return {
    async read(id) {
      const item = await read(`agent#${id}`);
      const publicKey = item?.['spki']?.B;
      if (item === undefined || publicKey === undefined) return undefined;
      return {
        publicKey,
        name: item['agent_name']?.S ?? '',
        retired: item['retired']?.BOOL === true,
        seq: Number(item['seq']?.N ?? 0),
        drainedSeq: Number(item['drained_seq']?.N ?? 0),
        nextDue: Number(item['next_due']?.N ?? 0),
        facts: item['facts']?.S ?? '',
      };
    },
    async tell({ id, name, publicKey, retired }) {
      // A retired agent stays retired, whoever read its row earlier.
      await update(`agent#${id}`, 'SET spki = :spki, agent_name = :name, retired = :retired, seq = if_not_exists(seq, :zero) + :one', {
        values: {
          ':spki': { B: publicKey },
          ':name': { S: name },
          ':retired': { BOOL: retired },
          ':zero': { N: '0' },
          ':one': { N: '1' },
          ':yes': { BOOL: true },
        },
        condition: 'attribute_not_exists(retired) OR retired <> :yes',
      });
    },
    async drained(id, seq, nextDue) {
      await update(`agent#${id}`, 'SET drained_seq = :seq, next_due = :due', {
        values: { ':seq': { N: String(seq) }, ':due': { N: String(Math.floor(nextDue)) } },
        condition: 'attribute_not_exists(drained_seq) OR drained_seq <= :seq',
      });
    },
    async said(id, facts) {
      await update(`agent#${id}`, 'SET facts = :facts', { values: { ':facts': { S: facts } } });
    },
    async beat(id, now) {
      const names = { '#id': id };
      const values = { ':now': { N: String(now) } };
      if (await update(shardOf(id), 'SET #id = :now', { names, values, condition: 'attribute_exists(#id)' })) return false;
      await update(shardOf(id), 'SET #id = :now', { names, values });
      return true;
    },
    async heard() {
      const items = await Promise.all(Array.from({ length: shards }, (_, n) => read(`agents-heard#${n}`)));
      return new Map(
        items.flatMap((item) =>
          Object.entries(item ?? {}).flatMap(([id, value]) => (value.N === undefined ? [] : [[id, Number(value.N)]])),
        ),
      );
    },
    away(id, notSince) {
      return update(shardOf(id), 'REMOVE #id', {
        names: { '#id': id },
        values: { ':since': { N: String(notSince) } },
        condition: '#id <= :since',
      });
    },
  };
}

function shardOf(id: string): string {
  return `agents-heard#${(createHash('sha256').update(id).digest()[0] ?? 0) % shards}`;
}
