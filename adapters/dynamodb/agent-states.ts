import { createHash } from 'node:crypto';
import {
  BatchGetItemCommand,
  GetItemCommand,
  UpdateItemCommand,
  type AttributeValue,
  type DynamoDBClient,
  type KeysAndAttributes,
} from '@aws-sdk/client-dynamodb';
import { CaError } from '#domain/error.ts';
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
  /** Says of an agent that is mirrored that there may be work. */
  expect(id: string): Promise<void>;
  /** All that was there when `seq` was read has been claimed; unless a later look has said so already. */
  drained(id: string, seq: number, nextDue: number): Promise<void>;
  said(id: string, facts: string): Promise<void>;
  /**
   * Notes a heartbeat of an agent that is not retired and has this key.
   *
   * @returns what is known of it, and whether it was away until now; undefined when it is retired, has another key or does not exist
   */
  beat(id: string, publicKey: Uint8Array, now: number): Promise<{ readonly facts: string; readonly wasAway: boolean } | undefined>;
  /** When agents were last heard of, milliseconds since the epoch: these, or all that are not away. Those that are away are not in it. */
  heard(ids?: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** The agent is away, unless it was heard of since. */
  away(id: string, notSince: number): Promise<boolean>;
}

// The ids of those that are not away lie in a few items, which change when one comes or goes: a heartbeat writes the agent's own small item alone, and
// who looks for the silent ones knows whom to look at.
const shards = 32;
const batch = 100;

/** Agents in the state table: one item each (`agent#<id>`), and who is not away (`agents-heard#<n>`: since when it is not). */
export function agentStates(client: DynamoDBClient, table: string): AgentStates {
  const read = async (pk: string): Promise<Record<string, AttributeValue> | undefined> =>
    (await client.send(new GetItemCommand({ TableName: table, Key: { pk: { S: pk } }, ConsistentRead: true }))).Item;
  /** What the item is by now; undefined when the condition does not hold. */
  const updated = async (
    pk: string,
    expression: string,
    more: { readonly values?: Record<string, AttributeValue>; readonly names?: Record<string, string>; readonly condition?: string },
    ReturnValues: 'NONE' | 'ALL_NEW' = 'NONE',
  ): Promise<Record<string, AttributeValue> | undefined> => {
    try {
      const { Attributes } = await client.send(
        new UpdateItemCommand({
          TableName: table,
          Key: { pk: { S: pk } },
          UpdateExpression: expression,
          ...(more.values && { ExpressionAttributeValues: more.values }),
          ...(more.names && { ExpressionAttributeNames: more.names }),
          ...(more.condition !== undefined && { ConditionExpression: more.condition }),
          ReturnValues,
        }),
      );
      return Attributes ?? {};
    } catch (error) {
      if (isConditionFailure(error)) return undefined;
      throw error;
    }
  };
  const update = async (...change: Parameters<typeof updated>): Promise<boolean> => (await updated(...change)) !== undefined;
  const readAll = async (
    keys: readonly string[],
    projection: Partial<KeysAndAttributes>,
  ): Promise<readonly Record<string, AttributeValue>[]> => {
    const found: Record<string, AttributeValue>[] = [];
    let left = keys.map((pk) => ({ pk: { S: pk } }));
    while (left.length > 0) {
      const asked = left.slice(0, batch);
      const answer = await client.send(
        new BatchGetItemCommand({ RequestItems: { [table]: { Keys: asked, ConsistentRead: true, ...projection } } }),
      );
      found.push(...(answer.Responses?.[table] ?? []));
      const unanswered = (answer.UnprocessedKeys?.[table]?.Keys ?? []).flatMap(({ pk }) =>
        pk?.S === undefined ? [] : [{ pk: { S: pk.S } }],
      );
      if (unanswered.length === asked.length) throw new CaError('unavailable', 'agents cannot be looked up; try again', { retryAfter: 15 });
      left = [...left.slice(asked.length), ...unanswered];
    }
    return found;
  };
  /** Those that are not away, and since when they are not. */
  const present = async (): Promise<readonly (readonly [string, number])[]> => {
    const items = await readAll(
      Array.from({ length: shards }, (_, n) => shardKey(n)),
      {},
    );
    return items.flatMap((item) =>
      Object.entries(item).flatMap(([id, value]) => (value.N === undefined ? [] : [[id, Number(value.N)] as const])),
    );
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
    async expect(id) {
      await update(`agent#${id}`, 'SET seq = if_not_exists(seq, :zero) + :one', {
        values: { ':zero': { N: '0' }, ':one': { N: '1' } },
        condition: 'attribute_exists(spki)',
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
    async beat(id, publicKey, now) {
      const time = { ':now': { N: String(now) } };
      const values = { ...time, ':spki': { B: publicKey }, ':no': { BOOL: false } };
      const item = await updated(`agent#${id}`, 'SET heard = :now', { values, condition: 'spki = :spki AND retired = :no' }, 'ALL_NEW');
      if (item === undefined) return undefined;
      const wasAway = item['present']?.BOOL !== true;
      if (wasAway) {
        // In this order: who dies in between is away still, and comes again with the next heartbeat.
        await update(shardOf(id), 'SET #id = :now', { names: { '#id': id }, values: time });
        await update(`agent#${id}`, 'SET present = :yes', { values: { ':yes': { BOOL: true } } });
      }
      return { facts: item['facts']?.S ?? '', wasAway };
    },
    async heard(ids) {
      const since = new Map(ids === undefined ? await present() : []);
      const items = await readAll(
        (ids ?? [...since.keys()]).map((id) => `agent#${id}`),
        { ProjectionExpression: 'pk, heard, present' },
      );
      const seen = new Map(items.map((item) => [item['pk']?.S?.slice('agent#'.length) ?? '', item] as const));
      return new Map(
        [...seen].flatMap(([id, item]) => {
          const at = item['heard']?.N ?? since.get(id);
          return ids !== undefined && item['present']?.BOOL !== true ? [] : [[id, Number(at ?? 0)] as const];
        }),
      );
    },
    async away(id, notSince) {
      const values = { ':since': { N: String(notSince) } };
      // An agent that was heard of in between is noted as present again by itself, and later than `notSince`: it stays in the list, too.
      const gone = await update(`agent#${id}`, 'SET present = :no', {
        values: { ...values, ':no': { BOOL: false } },
        condition: 'attribute_not_exists(heard) OR heard <= :since',
      });
      if (!gone) return false;
      await update(shardOf(id), 'REMOVE #id', { names: { '#id': id }, values, condition: '#id <= :since' });
      return true;
    },
  };
}

const shardKey = (n: number): string => `agents-heard#${n}`;

function shardOf(id: string): string {
  return shardKey((createHash('sha256').update(id).digest()[0] ?? 0) % shards);
}
