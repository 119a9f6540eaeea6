import { GetItemCommand, UpdateItemCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { hotMs, newGate, type Gate } from '#domain/schedule/gate.ts';
import type { LoopName } from '#domain/schedule/loops.ts';
import type { LoopSetting } from '#domain/schedule/setting.ts';
import type { GateStore } from '#domain/schedule/tick.ts';
import { isConditionFailure } from './client.ts';

export interface Gates extends GateStore {
  read(loop: LoopName): Promise<Gate>;
  /** When somebody first looked at a loop that has not succeeded yet: this call, or an earlier one. Milliseconds since the epoch. */
  firstSeen(loop: LoopName, now: number): Promise<number>;
  /** Announces that a transaction is about to make the loop due. */
  wake(loop: LoopName, now: number): Promise<void>;
  /** Mirrors an operator's setting; never over a newer one. */
  settings(loop: LoopName, setting: LoopSetting): Promise<void>;
}

/** The loops' gates in the state table, one item each (`gate#<loop>`); every change is one conditional update. */
export function gates(client: DynamoDBClient, table: string): Gates {
  const update = async (
    loop: LoopName,
    expression: string,
    values: Record<string, AttributeValue>,
    more: { readonly condition?: string; readonly old?: boolean } = {},
  ): Promise<Record<string, AttributeValue> | undefined> => {
    const { Attributes } = await client.send(
      new UpdateItemCommand({
        TableName: table,
        Key: keyOf(loop),
        UpdateExpression: expression,
        ExpressionAttributeValues: values,
        ...(more.condition !== undefined && { ConditionExpression: more.condition }),
        ...(more.old === true && { ReturnValues: 'ALL_OLD' }),
      }),
    );
    return Attributes;
  };
  return {
    async tick(loop, key, now) {
      return gateOf(await update(loop, 'SET heartbeat = :now, tick = :tick', { ':now': number(now), ':tick': { S: key } }, { old: true }));
    },
    async drained(loop, left, now) {
      try {
        await update(
          loop,
          'SET next_due = :due, drained_seq = :seq, drained_from = :from, last_success = :now, last_outcome = :outcome',
          {
            ':due': number(left.nextDue),
            ':seq': number(left.drainedSeq),
            ':from': number(left.drainedFrom),
            ':now': number(now),
            ':outcome': { S: 'succeeded' },
          },
          { condition: 'attribute_not_exists(drained_from) OR drained_from <= :from' },
        );
      } catch (error) {
        if (!isConditionFailure(error)) throw error;
      }
    },
    async outcome(loop, outcome) {
      await update(loop, 'SET last_outcome = :outcome', { ':outcome': { S: outcome } });
    },
    async read(loop) {
      return gateOf((await client.send(new GetItemCommand({ TableName: table, Key: keyOf(loop), ConsistentRead: true }))).Item);
    },
    async firstSeen(loop, now) {
      const { Attributes } = await client.send(
        new UpdateItemCommand({
          TableName: table,
          Key: keyOf(loop),
          UpdateExpression: 'SET first_seen = if_not_exists(first_seen, :now)',
          ExpressionAttributeValues: { ':now': number(now) },
          ReturnValues: 'ALL_NEW',
        }),
      );
      return Number(Attributes?.['first_seen']?.N ?? now);
    },
    async wake(loop, now) {
      await update(loop, 'SET seq = if_not_exists(seq, :zero) + :one, hot_until = :hot', {
        ':zero': number(0),
        ':one': number(1),
        ':hot': number(now + hotMs),
      });
    },
    async settings(loop, { enabled, intervalOverride, version }) {
      const values = { ':enabled': { BOOL: enabled }, ':version': number(version) };
      const [set, more] =
        intervalOverride === undefined
          ? (['SET enabled = :enabled, settings_version = :version REMOVE interval_override', {}] as const)
          : ([
              'SET enabled = :enabled, settings_version = :version, interval_override = :interval',
              { ':interval': number(intervalOverride) },
            ] as const);
      try {
        const condition = 'attribute_not_exists(settings_version) OR settings_version <= :version';
        await update(loop, set, { ...values, ...more }, { condition });
      } catch (error) {
        if (!isConditionFailure(error)) throw error;
      }
    },
  };
}

function keyOf(loop: LoopName): Record<string, AttributeValue> {
  return { pk: { S: `gate#${loop}` } };
}

function number(value: number): AttributeValue {
  return { N: String(Math.floor(value)) };
}

function gateOf(item: Record<string, AttributeValue> | undefined): Gate {
  const read = (name: string): number => Number(item?.[name]?.N ?? 0);
  return {
    ...newGate,
    nextDue: read('next_due'),
    seq: read('seq'),
    drainedSeq: read('drained_seq'),
    hotUntil: read('hot_until'),
    drainedFrom: read('drained_from'),
    enabled: item?.['enabled']?.BOOL ?? true,
    intervalOverride: item?.['interval_override']?.N === undefined ? undefined : read('interval_override'),
    heartbeat: read('heartbeat'),
    lastSuccess: read('last_success'),
    lastOutcome: item?.['last_outcome']?.S ?? '',
    tick: item?.['tick']?.S ?? '',
  };
}
