import { ApiGatewayV2Client, GetApisCommand } from '@aws-sdk/client-apigatewayv2';
import { CloudWatchLogsClient, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { ListSchedulesCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Cloud } from './cloud.ts';

/** What is left in an account, seen service by service. */
export interface Remaining {
  readonly apis: readonly string[];
  readonly functions: readonly string[];
  readonly logGroups: readonly string[];
  readonly queues: readonly string[];
  readonly schedules: readonly string[];
  readonly tables: readonly string[];
  readonly buckets: readonly string[];
}

export async function remaining({ client }: Cloud): Promise<Remaining> {
  const [apis, functions, groups, queues, schedules, tables, buckets] = await Promise.all([
    new ApiGatewayV2Client(client).send(new GetApisCommand({})),
    new LambdaClient(client).send(new ListFunctionsCommand({})),
    new CloudWatchLogsClient(client).send(new DescribeLogGroupsCommand({})),
    new SQSClient(client).send(new ListQueuesCommand({})),
    new SchedulerClient(client).send(new ListSchedulesCommand({})),
    new DynamoDBClient(client).send(new ListTablesCommand({})),
    new S3Client({ ...client, forcePathStyle: true }).send(new ListBucketsCommand({})),
  ]);
  return {
    apis: (apis.Items ?? []).map((api) => api.Name ?? ''),
    functions: (functions.Functions ?? []).map((fn) => fn.FunctionName ?? ''),
    logGroups: (groups.logGroups ?? []).map((group) => group.logGroupName ?? ''),
    queues: queues.QueueUrls ?? [],
    schedules: (schedules.Schedules ?? []).map((schedule) => schedule.Name ?? ''),
    tables: tables.TableNames ?? [],
    buckets: (buckets.Buckets ?? []).map((bucket) => bucket.Name ?? ''),
  };
}
