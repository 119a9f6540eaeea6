import { loopSeries, series } from '#domain/metric/series.ts';
import { scheduledLoops } from '#domain/schedule/loops.ts';
import type { Config } from '../config.ts';
import { functionSpecs } from '../functions.ts';
import { allowances, prices } from './prices.ts';

/** What a month brings. */
export interface Usage {
  /** Certificates that are valid. */
  readonly certificates: number;
  readonly renewals: number;
  /** Questions about status that no cache answers. */
  readonly ocspRequests: number;
  /** Calls of the control plane. */
  readonly apiCalls: number;
}

export interface CostLine {
  readonly what: string;
  readonly price: keyof typeof prices;
  /** In the price's unit, for a month. */
  readonly quantity: number;
}

export interface Estimate {
  readonly lines: readonly (CostLine & { readonly listed: number; readonly paid: number })[];
  /** Dollars a month without any allowance. */
  readonly listed: number;
  /** Dollars a month where the account's allowances are left to the platform. */
  readonly paid: number;
}

export type Templates = readonly {
  readonly Resources?: Readonly<Record<string, { readonly Type: string; readonly Properties?: object }>>;
}[];

const hours = 730;
const minutes = hours * 60;
/** Aurora sleeps after five idle minutes, and a wake takes most of one. */
const wakeMinutes = 6;
/** Aurora's least when it is awake. */
const leastCapacity = 0.5;
/** What a tick that finds its gate shut takes, in seconds of a warm instance. */
const idleTickSeconds = 0.1;
/** What one certificate leaves in the database with its order, audit rows and indexes. */
const certificateBytes = 12_000;
/** What the catalog, the tables' first pages and the log take. */
const emptyDatabaseGb = 2;
/** One issuance by ACME, as lego does it: requests, and what the functions behind them do. */
const issuance = {
  requests: 12,
  acmeSeconds: 0.06,
  workerSeconds: 0.3,
  proberSeconds: 0.3,
  writes: 16,
  reads: 6,
  messages: 4,
  io: 150,
  logKb: 6,
};
const ocsp = { seconds: 0.02, writes: 1, io: 4, logKb: 0.6 };
/** Two limits and when the key was last seen. */
const call = { seconds: 0.03, writes: 3, io: 8, logKb: 0.6 };

/** The month of a deployment, from the resources of its templates: what is there costs at rest, what is used costs by use. */
export function estimate(templates: Templates, config: Config, usage: Usage): Estimate {
  const resources = templates.flatMap((template) => Object.values(template.Resources ?? {}));
  const count = (type: string): number => resources.filter((resource) => resource.Type === type).length;
  const lines = [...atRest(count, config), ...ticks(config), ...database(count, config, usage), ...byUse(count, config, usage)];
  const priced = priceOf(lines.filter((line) => line.quantity > 0));
  const sum = (key: 'listed' | 'paid'): number => priced.reduce((total, line) => total + line[key], 0);
  return { lines: priced, listed: sum('listed'), paid: sum('paid') };
}

function atRest(count: (type: string) => number, config: Config): readonly CostLine[] {
  const always = Object.keys(series).length;
  // Some of a loop's series have no value in a quiet month; they are counted, so that the estimate is on the safe side.
  const ofLoops = config.metrics === 'full' ? Object.keys(loopSeries).length * scheduledLoops.length : 0;
  return [
    { what: 'keys', price: 'kmsKeyMonth', quantity: count('AWS::KMS::Key') },
    { what: 'secrets', price: 'secretMonth', quantity: count('AWS::SecretsManager::Secret') },
    { what: 'alarms', price: 'alarmMonth', quantity: count('AWS::CloudWatch::Alarm') },
    { what: 'series', price: 'seriesMonth', quantity: always + ofLoops },
    { what: 'dashboard', price: 'dashboardMonth', quantity: count('AWS::CloudWatch::Dashboard') },
    { what: 'NAT gateway', price: 'natHour', quantity: count('AWS::EC2::NatGateway') * hours },
    { what: 'address of the NAT gateway', price: 'publicAddressHour', quantity: count('AWS::EC2::EIP') * hours },
    { what: 'load balancer', price: 'loadBalancerHour', quantity: count('AWS::ElasticLoadBalancingV2::LoadBalancer') * hours },
    {
      what: 'load balancer, one unit',
      price: 'loadBalancerUnitHour',
      quantity: count('AWS::ElasticLoadBalancingV2::LoadBalancer') * hours,
    },
    // A proxy of Serverless v2 is charged for at least eight units.
    { what: 'database proxy', price: 'proxyCapacityHour', quantity: count('AWS::RDS::DBProxy') * 8 * hours },
    { what: 'web ACL, without its rules', price: 'webAclMonth', quantity: config.webAclArn === undefined ? 0 : 1 },
  ];
}

function ticks(config: Config): readonly CostLine[] {
  const loops = functionSpecs.flatMap((spec) =>
    spec.everyMinutes === undefined
      ? []
      : [{ perMonth: minutes / spec.everyMinutes, gb: (config.memoryMb[spec.name] ?? spec.memoryMb) / 1024 }],
  );
  const total = loops.reduce((sum, loop) => sum + loop.perMonth, 0);
  return [
    { what: 'ticks: schedule', price: 'schedulerMillion', quantity: total / 1e6 },
    { what: 'ticks: requests', price: 'lambdaMillionRequests', quantity: total / 1e6 },
    { what: 'ticks: run time', price: 'lambdaGbSecond', quantity: loops.reduce((sum, l) => sum + l.perMonth * l.gb * idleTickSeconds, 0) },
    { what: 'ticks: gates', price: 'dynamodbMillionWrites', quantity: total / 1e6 },
    { what: 'ticks: log lines', price: 'logsGb', quantity: (total * 0.5) / 1e6 },
  ];
}

function database(count: (type: string) => number, config: Config, usage: Usage): readonly CostLine[] {
  const clusters = count('AWS::RDS::DBCluster');
  if (clusters === 0) return [];
  const gb = emptyDatabaseGb + (usage.certificates * certificateBytes) / 1e9;
  const io = usage.renewals * issuance.io + usage.ocspRequests * ocsp.io + usage.apiCalls * call.io + 100_000;
  return [
    { what: 'Aurora, awake', price: 'auroraCapacityHour', quantity: awakeHours(config, usage) },
    { what: 'Aurora, storage', price: 'auroraGbMonth', quantity: gb },
    { what: 'Aurora, reads and writes', price: 'auroraMillionIo', quantity: io / 1e6 },
    {
      what: 'recovery points and their copies',
      price: 'backupGbMonth',
      quantity: config.backup === undefined ? 0 : gb * (1 + config.backup.copyToVaultArns.length),
    },
  ];
}

/** Capacity unit hours: all of them when it never sleeps, else those around the daily work and around what comes in, at random times. */
function awakeHours(config: Config, usage: Usage): number {
  if (config.minCapacity > 0) return hours * config.minCapacity;
  const windows = minutes / wakeMinutes;
  const events = usage.renewals + usage.ocspRequests + usage.apiCalls;
  const hit = windows * (1 - Math.exp(-events / windows));
  return ((Math.min(windows, hit + hours / 24) * wakeMinutes) / 60) * leastCapacity;
}

function byUse(count: (type: string) => number, config: Config, { renewals, ocspRequests, apiCalls }: Usage): readonly CostLine[] {
  const gb = (name: string): number => (config.memoryMb[name] ?? functionSpecs.find((spec) => spec.name === name)?.memoryMb ?? 0) / 1024;
  const seconds =
    renewals *
      (issuance.requests * issuance.acmeSeconds * gb('acme') +
        issuance.workerSeconds * gb('worker') +
        issuance.proberSeconds * gb('prober')) +
    ocspRequests * ocsp.seconds * gb('revocation') +
    apiCalls * call.seconds * gb('api');
  const api = count('AWS::ApiGatewayV2::Api');
  return [
    {
      what: 'requests at API Gateway',
      price: 'httpApiMillion',
      quantity: (api * (renewals * issuance.requests + ocspRequests + apiCalls)) / 1e6,
    },
    {
      what: 'requests at CloudFront',
      price: 'cloudfrontMillionHttp',
      quantity: (count('AWS::CloudFront::Distribution') * ocspRequests) / 1e6,
    },
    {
      what: 'functions: requests',
      price: 'lambdaMillionRequests',
      quantity: (renewals * (issuance.requests + 2) + ocspRequests + apiCalls) / 1e6,
    },
    { what: 'functions: run time', price: 'lambdaGbSecond', quantity: seconds },
    {
      what: 'nonces and limits',
      price: 'dynamodbMillionWrites',
      quantity: (renewals * issuance.writes + ocspRequests * ocsp.writes + apiCalls * call.writes) / 1e6,
    },
    { what: 'profiles and nonce keys', price: 'dynamodbMillionReads', quantity: (renewals * issuance.reads) / 1e6 },
    { what: 'queue', price: 'sqsMillion', quantity: (renewals * issuance.messages) / 1e6 + 0.15 },
    { what: 'CRLs: writes', price: 's3MillionWrites', quantity: 1500 / 1e6 },
    { what: 'log lines', price: 'logsGb', quantity: (renewals * issuance.logKb + ocspRequests * ocsp.logKb + apiCalls * call.logKb) / 1e6 },
  ];
}

/** An allowance is used up by the lines in their order. */
function priceOf(lines: readonly CostLine[]): Estimate['lines'] {
  const left = new Map<string, number>(Object.entries(allowances));
  return lines.map((line) => {
    const free = Math.min(line.quantity, left.get(line.price) ?? 0);
    left.set(line.price, (left.get(line.price) ?? 0) - free);
    return { ...line, listed: line.quantity * prices[line.price], paid: (line.quantity - free) * prices[line.price] };
  });
}
