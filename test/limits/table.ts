import { CreateTableCommand, DeleteTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import dynalite from 'dynalite';
import './credentials.ts';
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { dynamodb } from '#infra/local/cloud/dynamodb/service.ts';
import { openTables } from '#infra/local/cloud/dynamodb/store.ts';
import { listen } from '#infra/local/cloud/endpoint.ts';

/** A table behind a DynamoDB, and how to end both. */
export interface TestTable {
  readonly endpoint: string;
  readonly name: string;
  readonly client: DynamoDBClient;
  stop(): Promise<void>;
}

export interface Backend {
  readonly name: string;
  open(): Promise<TestTable>;
}

function nothing(): never {
  throw new Error('only tables are served here');
}

/** The store of `npm start`. @param file where it keeps its log; undefined: nowhere */
export async function ownTable(file?: string): Promise<TestTable> {
  const name = 'RateLimits';
  const tables = openTables([{ name, ttl: 'exp' }], file);
  const services = { kms: nothing, sqs: nothing, s3: nothing, invoke: nothing, answered: nothing };
  const endpoint = await listen({ ...services, dynamodb: dynamodb(tables) }, 0);
  const client = new DynamoDBClient({ endpoint: endpoint.url, maxAttempts: 1 });
  return {
    endpoint: endpoint.url,
    name,
    client,
    async stop() {
      client.destroy();
      await endpoint.close();
      tables.close();
    },
  };
}

async function createdTable(endpoint: string, end: () => Promise<void>): Promise<TestTable> {
  const client = new DynamoDBClient({ endpoint });
  const name = `limits-${randomUUID()}`;
  await client.send(
    new CreateTableCommand({
      TableName: name,
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
  return {
    endpoint,
    name,
    client,
    async stop() {
      await client.send(new DeleteTableCommand({ TableName: name }));
      client.destroy();
      await end();
    },
  };
}

export const own: Backend = { name: 'our own', open: () => ownTable() };

export const inDynalite: Backend = {
  name: 'dynalite',
  async open() {
    const server = dynalite({ createTableMs: 0, deleteTableMs: 0 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return createdTable(
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      () =>
        new Promise((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    );
  },
};

const elsewhere = process.env['DYNAMODB_ENDPOINT'];

/** An emulator or a real table, when `DYNAMODB_ENDPOINT` names one. */
export const named: readonly Backend[] =
  elsewhere === undefined ? [] : [{ name: elsewhere, open: () => createdTable(elsewhere, async () => undefined) }];
