import type { Assembly, Resource, Template } from './assembly.ts';
import { account, region, resolver } from './intrinsics.ts';
import { resourceTypes } from './resource-types.ts';

/** Addresses that only this instance knows. */
export interface Places {
  readonly publicBaseUrl: string;
  /** host:port of the plain HTTP front. */
  readonly pkiHost: string;
  readonly socketFolder: string;
  /** The cloud's endpoint. */
  readonly endpoint: string;
}

export interface PlannedFunction {
  readonly name: string;
  readonly arn: string;
  /** Folder of its code. */
  readonly folder: string;
  /** `file.export` */
  readonly handler: string;
  readonly timeoutMs: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly reserved: number | undefined;
}

export interface PlannedRoute {
  readonly key: string;
  readonly functionName: string;
  /** Only requests that an AWS identity has signed come through. */
  readonly iam: boolean;
}

export interface PlannedQueue {
  readonly name: string;
  readonly url: string;
  readonly visibilitySeconds: number;
  readonly deadLetter: { readonly queue: string; readonly maxReceiveCount: number } | undefined;
}

export interface PlannedSource {
  readonly queue: string;
  readonly functionName: string;
  readonly batchSize: number;
  readonly maxConcurrency: number;
}

export interface PlannedSchedule {
  readonly functionName: string;
  readonly everyMs: number;
  readonly input: string;
}

export interface PlannedResource {
  readonly logicalId: string;
  readonly type: string;
  readonly functionName: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The template in the words of what plays it. */
export interface Plan {
  readonly functions: readonly PlannedFunction[];
  readonly routes: readonly PlannedRoute[];
  readonly queues: readonly PlannedQueue[];
  readonly sources: readonly PlannedSource[];
  readonly schedules: readonly PlannedSchedule[];
  /** Names of DynamoDB tables with the attribute that ends an item's life. */
  readonly tables: readonly { readonly name: string; readonly ttl: string | undefined }[];
  readonly buckets: readonly string[];
  readonly keys: readonly string[];
  readonly customResources: readonly PlannedResource[];
}

interface Found {
  readonly template: Template;
  readonly id: string;
  readonly resource: Resource;
}

/** @throws {Error} for a resource type that nobody thought about */
export function plan(assembly: Assembly, places: Places): Plan {
  const all: Found[] = assembly.templates.flatMap((template) =>
    Object.entries(template.Resources).map(([id, resource]) => ({ template, id, resource })),
  );
  for (const { id, resource } of all) {
    if (resourceTypes[resource.Type] === undefined)
      throw new Error(`the template has a ${resource.Type} (${id}), which infra/local/resource-types.ts does not know`);
  }
  const resolve = resolver(assembly.templates, names(places));
  const of = (type: string): readonly Found[] => all.filter(({ resource }) => resource.Type === type);
  const properties = (found: Found): Record<string, unknown> =>
    resolve(found.template, found.resource.Properties ?? {}) as Record<string, unknown>;
  const functions = of('AWS::Lambda::Function').map((found) => plannedFunction(found, assembly.assets, properties(found)));
  const byArn = new Map(functions.map((fn) => [fn.arn, fn.name]));
  const named = (reference: unknown): string => {
    const name = byArn.get(String(reference)) ?? functions.find((fn) => fn.name === reference)?.name;
    if (name === undefined) throw new Error(`no function is called ${String(reference)}`);
    return name;
  };
  const integrations = new Map(of('AWS::ApiGatewayV2::Integration').map((found) => [found.id, properties(found)]));
  return {
    functions,
    routes: of('AWS::ApiGatewayV2::Route').map((found) => {
      const {
        RouteKey,
        Target,
        AuthorizationType = 'NONE',
      } = properties(found) as {
        RouteKey: string;
        Target: string;
        AuthorizationType?: string;
      };
      if (AuthorizationType !== 'NONE' && AuthorizationType !== 'AWS_IAM')
        throw new Error(`the route ${RouteKey} has an authorizer that is not known: ${AuthorizationType}`);
      const integration = integrations.get(Target.replace('integrations/', ''));
      if (integration?.['PayloadFormatVersion'] !== '2.0') throw new Error(`the route ${RouteKey} does not use payload format 2.0`);
      return { key: RouteKey, functionName: named(integration['IntegrationUri']), iam: AuthorizationType === 'AWS_IAM' };
    }),
    queues: of('AWS::SQS::Queue').map((found) => plannedQueue(found, properties(found), places)),
    sources: of('AWS::Lambda::EventSourceMapping').map((found) => {
      const p = properties(found) as {
        EventSourceArn: string;
        FunctionName: string;
        BatchSize?: number;
        ScalingConfig?: { MaximumConcurrency?: number };
      };
      return {
        queue: p.EventSourceArn.split(':').at(-1) ?? '',
        functionName: named(p.FunctionName),
        batchSize: p.BatchSize ?? 10,
        maxConcurrency: p.ScalingConfig?.MaximumConcurrency ?? 10,
      };
    }),
    schedules: of('AWS::Scheduler::Schedule').map((found) => {
      const p = properties(found) as { ScheduleExpression: string; Target: { Arn: string; Input?: string } };
      return { functionName: named(p.Target.Arn), everyMs: rateMs(p.ScheduleExpression), input: p.Target.Input ?? '{}' };
    }),
    tables: of('AWS::DynamoDB::Table').map((found) => {
      const p = properties(found) as { TimeToLiveSpecification?: { AttributeName: string; Enabled: boolean } };
      return { name: found.id, ttl: p.TimeToLiveSpecification?.Enabled === true ? p.TimeToLiveSpecification.AttributeName : undefined };
    }),
    buckets: of('AWS::S3::Bucket').map(({ id }) => bucketName(id)),
    keys: of('AWS::KMS::Key').map(({ id }) => keyArn(id)),
    customResources: all
      .filter(({ resource }) => resource.Type.startsWith('Custom::'))
      .map((found) => {
        const p = properties(found);
        return { logicalId: found.id, type: found.resource.Type, functionName: named(p['ServiceToken']), properties: p };
      }),
  };
}

function plannedFunction({ id }: Found, assets: Assembly['assets'], p: Record<string, unknown>): PlannedFunction {
  const folder = assets.get(String((p['Code'] as { S3Key?: string } | undefined)?.S3Key));
  if (folder === undefined) throw new Error(`the function ${id} has no asset`);
  return {
    name: id,
    arn: functionArn(id),
    folder,
    handler: String(p['Handler']),
    timeoutMs: Number(p['Timeout']) * 1000,
    environment: (p['Environment'] as { Variables?: Record<string, string> } | undefined)?.Variables ?? {},
    reserved: p['ReservedConcurrentExecutions'] as number | undefined,
  };
}

function plannedQueue({ id }: Found, p: Record<string, unknown>, places: Places): PlannedQueue {
  const redrive = p['RedrivePolicy'] as { deadLetterTargetArn: string; maxReceiveCount: number } | undefined;
  return {
    name: id,
    url: queueUrl(places, id),
    visibilitySeconds: Number(p['VisibilityTimeout'] ?? 30),
    deadLetter: redrive && { queue: redrive.deadLetterTargetArn.split(':').at(-1) ?? '', maxReceiveCount: redrive.maxReceiveCount },
  };
}

function rateMs(expression: string): number {
  const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  if (count === undefined) throw new Error(`the schedule ${expression} is not known`);
  return Number(count) * { minute: 60_000, hour: 3_600_000, day: 86_400_000 }[unit as 'minute' | 'hour' | 'day'];
}

const functionArn = (id: string): string => `arn:aws:lambda:${region}:${account}:function:${id}`;
const queueUrl = (places: Places, id: string): string => `${places.endpoint}/${account}/${id}`;
const bucketName = (id: string): string => id.toLowerCase();
const keyArn = (id: string): string => `arn:aws:kms:${region}:${account}:key/${id.toLowerCase()}`;

/** What each type's Ref and attributes are here; an inert resource has a name that nobody resolves to anything. */
function names(places: Places) {
  return {
    ref(resource: Resource, id: string): string {
      switch (resource.Type) {
        case 'AWS::SQS::Queue':
          return queueUrl(places, id);
        case 'AWS::S3::Bucket':
          return bucketName(id);
        default:
          return id;
      }
    },
    attribute(resource: Resource, id: string, name: string): string {
      const key = `${resource.Type}.${name}`;
      switch (key) {
        case 'AWS::Lambda::Function.Arn':
          return functionArn(id);
        case 'AWS::SQS::Queue.Arn':
          return `arn:aws:sqs:${region}:${account}:${id}`;
        case 'AWS::DynamoDB::Table.Arn':
          return `arn:aws:dynamodb:${region}:${account}:table/${id}`;
        case 'AWS::KMS::Key.Arn':
          return keyArn(id);
        case 'AWS::ApiGatewayV2::Api.ApiEndpoint':
          return places.publicBaseUrl;
        case 'AWS::CloudFront::Distribution.DomainName':
          return places.pkiHost;
        case 'AWS::RDS::DBCluster.Endpoint.Address':
          return places.socketFolder;
        default:
          return `${id}.${name}`;
      }
    },
  };
}
