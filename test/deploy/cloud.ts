import { readFileSync } from 'node:fs';
import https from 'node:https';
import { CloudFormationClient, DeleteStackCommand, DescribeStacksCommand, GetTemplateCommand } from '@aws-sdk/client-cloudformation';
import {
  DescribeStackEventsCommand,
  DescribeStackResourcesCommand,
  type StackEvent,
  type StackResource,
} from '@aws-sdk/client-cloudformation';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { InvokeCommand, LambdaClient, ListFunctionsCommand, type FunctionConfiguration } from '@aws-sdk/client-lambda';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { until } from '../platform.ts';
import { region } from './emulator.ts';

export interface Template {
  readonly Resources: Readonly<Record<string, { readonly Type: string; readonly Properties?: Record<string, unknown> }>>;
}

/** An account in the emulator, through the same SDK that an operator has. */
export interface Cloud {
  /** For a client of any service. */
  readonly client: {
    readonly region: string;
    readonly endpoint: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
    readonly requestHandler: NodeHttpHandler;
  };
  stackStatus(name: string): Promise<string | undefined>;
  outputs(name: string): Promise<Readonly<Record<string, string>>>;
  resources(name: string): Promise<readonly StackResource[]>;
  template(name: string): Promise<Template>;
  /** Reasons of everything that failed, newest first. */
  failures(name: string): Promise<readonly string[]>;
  /** @returns logical ids of what was kept, by their resource types */
  remove(name: string): Promise<readonly string[]>;
  /** Functions by their `CERTCTL_FUNCTION`. */
  functions(): Promise<ReadonlyMap<string, FunctionConfiguration>>;
  invoke(functionName: string, payload: object): Promise<unknown>;
  /** Everything in a function's log group. */
  logs(group: string): Promise<readonly string[]>;
}

/** @param caFile who vouches for the endpoint */
export function openCloud(endpoint: string, account: string, caFile: string): Cloud {
  const client = {
    region,
    endpoint,
    credentials: { accessKeyId: account, secretAccessKey: 'test' },
    requestHandler: new NodeHttpHandler({ httpsAgent: new https.Agent({ ca: readFileSync(caFile), keepAlive: true }) }),
  };
  const formation = new CloudFormationClient(client);
  const lambda = new LambdaClient(client);
  const watch = new CloudWatchLogsClient(client);
  const describe = async (name: string) => {
    try {
      return (await formation.send(new DescribeStacksCommand({ StackName: name }))).Stacks?.[0];
    } catch (error) {
      if ((error as Error).message.includes('does not exist')) return undefined;
      throw error;
    }
  };
  const events = async (name: string): Promise<readonly StackEvent[]> => {
    const found: StackEvent[] = [];
    let NextToken: string | undefined;
    do {
      const page = await formation.send(new DescribeStackEventsCommand({ StackName: name, ...(NextToken !== undefined && { NextToken }) }));
      found.push(...(page.StackEvents ?? []));
      ({ NextToken } = page);
    } while (NextToken !== undefined);
    return found;
  };
  return {
    client,
    stackStatus: async (name) => (await describe(name))?.StackStatus,
    outputs: async (name) =>
      Object.fromEntries(((await describe(name))?.Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey ?? '', OutputValue ?? ''])),
    resources: async (name) => (await formation.send(new DescribeStackResourcesCommand({ StackName: name }))).StackResources ?? [],
    template: async (name) =>
      JSON.parse((await formation.send(new GetTemplateCommand({ StackName: name }))).TemplateBody ?? '{}') as Template,
    failures: async (name) =>
      (await events(name)).flatMap((event) =>
        event.ResourceStatus?.endsWith('_FAILED') === true ? [`${event.LogicalResourceId ?? ''}: ${event.ResourceStatusReason ?? ''}`] : [],
      ),
    remove: async (name) => {
      const id = (await describe(name))?.StackId;
      await formation.send(new DeleteStackCommand({ StackName: name }));
      await until(`the stack ${name} is gone`, async () => ((await describe(name)) === undefined ? true : undefined), 60);
      const skipped = (await events(id ?? '')).filter((event) => event.ResourceStatus === 'DELETE_SKIPPED');
      return skipped.map((event) => event.ResourceType ?? '').sort();
    },
    functions: async () => {
      const { Functions } = await lambda.send(new ListFunctionsCommand({}));
      return new Map(
        (Functions ?? []).flatMap((fn) => {
          const name = fn.Environment?.Variables?.['CERTCTL_FUNCTION'];
          return name === undefined ? [] : [[name, fn] as const];
        }),
      );
    },
    invoke: async (functionName, payload) => {
      const answer = await lambda.send(new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(payload)) }));
      const text = Buffer.from(answer.Payload ?? []).toString('utf8');
      if (answer.FunctionError !== undefined) throw new Error(`${functionName} failed: ${text}`);
      return JSON.parse(text) as unknown;
    },
    logs: async (group) => {
      const lines: string[] = [];
      let nextToken: string | undefined;
      do {
        const page = await watch.send(new FilterLogEventsCommand({ logGroupName: group, ...(nextToken !== undefined && { nextToken }) }));
        lines.push(...(page.events ?? []).map((event) => event.message ?? ''));
        nextToken = page.nextToken;
      } while (nextToken !== undefined);
      return lines;
    },
  };
}
