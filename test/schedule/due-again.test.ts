import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dynamodbOf, gatesOf, runToEnd, stateTable } from '../cloud.ts';
import { makeTarget, order } from '../lifecycle/agent-jobs.ts';
import { enrolledAgent } from '../lifecycle/signed-agent.ts';
import { api, startPlatform, type Platform } from '../platform.ts';

let platform: Platform;
let database: pg.Client;
beforeAll(async () => {
  platform = await startPlatform();
  database = await platform.database();
});
afterAll(async () => {
  await database.end();
  await platform.stop();
});

test.each([
  [
    'waited a day for its agent',
    async (job: string): Promise<void> => {
      await database.query(`UPDATE jobs SET state_entered_at = now() - interval '25 hours' WHERE id = $1`, [job]);
      await runToEnd(platform, 'jobTimeout');
    },
  ],
  [
    'is cancelled',
    async (job: string): Promise<void> => {
      expect((await api(platform, 'POST', `/api/v1/jobs/${job}/cancel`)).status).toBe(200);
    },
  ],
])('given a job that %s, the loop of renewals looks when the certificate is due again', async (how, end) => {
  const name = `due-${how.slice(0, 2)}`;
  const agent = await enrolledAgent(platform, name);
  const { id, jobs } = await order(platform, name, [await makeTarget(platform, agent, name)]);
  await runToEnd(platform, 'renewalCheck');
  // What was announced before is over: time passes by moving its end.
  await dynamodbOf(platform).send(
    new UpdateItemCommand({
      TableName: stateTable(platform),
      Key: { pk: { S: 'gate#renewalCheck' } },
      UpdateExpression: 'SET hot_until = :past',
      ExpressionAttributeValues: { ':past': { N: '0' } },
    }),
  );
  await end(jobs[0]!);
  await runToEnd(platform, 'renewalCheck');
  const { renew_at: renewAt } = (await api(platform, 'GET', `/api/v1/certificates/${id}`)).json();
  const gate = await gatesOf(platform).read('renewalCheck');
  expect(gate.hotUntil).toBeGreaterThan(Date.now());
  expect(gate.nextDue).toBeLessThanOrEqual(Date.parse(renewAt as string));
});
