import { Annotations, type CfnElement, CfnOutput, CustomResource, Duration, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import * as integrations from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as destinations from 'aws-cdk-lib/aws-lambda-destinations';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as targets from 'aws-cdk-lib/aws-scheduler-targets';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Provider } from 'aws-cdk-lib/custom-resources';
import type { Construct } from 'constructs';
import { join } from 'node:path';
import { limitNames, limitOf, limits, variableOf } from '#domain/limit/limits.ts';
import type { Bundles } from '../bundle.ts';
import type { Config } from '../config.ts';
import { functionRole } from '../constructs/function-role.ts';
import { logGroup } from '../constructs/log-group.ts';
import { ownerRole } from '../constructs/database.ts';
import { Ipv6Prober } from '../constructs/ipv6-prober.ts';
import { connectorName, functionSpecs, isLoop, proberName, type FunctionSpec } from '../functions.ts';
import type { DataStack } from './data.ts';
import type { EdgeStack } from './edge.ts';
import type { KeysStack } from './keys.ts';

export interface ServicesProps extends StackProps {
  readonly config: Config;
  readonly bundles: Bundles;
  readonly data: DataStack;
  readonly keys: KeysStack;
  readonly edge: EdgeStack;
}

// A message must not come back while its worker may still be at it: AWS asks for six times the function's timeout.
const visibilityTimeouts = 6;
// What Lambda keeps for functions that reserve nothing.
const unreservedMinimum = 100;

/** What is replaced by every deployment: functions and what starts them. The schema comes first. */
export class ServicesStack extends Stack {
  readonly functions: ReadonlyMap<string, lambda.Function>;
  readonly jobs: sqs.Queue;
  readonly deadJobs: sqs.Queue;
  /** Ticks that ended in an error. */
  readonly failedTicks: sqs.Queue;
  readonly schema: CustomResource;
  readonly #props: ServicesProps;
  readonly #ipv6Prober: lambda.Function | undefined;

  constructor(scope: Construct, id: string, props: ServicesProps) {
    super(scope, id, { ...props, description: 'certctl: functions, queue, schedules, migrations' });
    this.#props = props;
    const worker = functionSpecs.find((spec) => spec.consumesJobs);
    this.deadJobs = new sqs.Queue(this, 'DeadJobs', { enforceSSL: true, retentionPeriod: Duration.days(14) });
    this.jobs = new sqs.Queue(this, 'Jobs', {
      enforceSSL: true,
      visibilityTimeout: Duration.seconds((worker?.timeoutSeconds ?? 0) * visibilityTimeouts),
      deadLetterQueue: { queue: this.deadJobs, maxReceiveCount: 5 },
    });
    this.failedTicks = new sqs.Queue(this, 'LoopFailures', { enforceSSL: true, retentionPeriod: Duration.days(14) });
    for (const queue of [this.deadJobs, this.failedTicks]) {
      Validations.of(queue).acknowledge({ id: 'AwsSolutions-SQS3', reason: 'This is where dead letters go.' });
    }
    const made = new Map<string, lambda.Function>();
    this.functions = made;
    this.#ipv6Prober = props.config.ipv6Prober ? this.#makeIpv6Prober() : undefined;
    // Who is called comes before who calls.
    const rank = (spec: FunctionSpec): number =>
      spec.startsLoops === true || spec.warms === true ? 2 : spec.consumesJobs === true ? 1 : 0;
    for (const spec of [...functionSpecs].sort((a, b) => rank(a) - rank(b))) made.set(spec.name, this.#function(spec));
    this.schema = this.#migrations();
    for (const [name, fn] of made) if (name !== 'migrate') fn.node.addDependency(this.schema);
    for (const spec of functionSpecs) this.#triggers(spec);
    this.#acknowledgeSchedulerRoles();
    this.#sayWhatIsReserved();
    new CfnOutput(this, 'AdminToken', {
      value: `aws lambda invoke --function-name ${this.#get('migrate').functionName} --cli-binary-format raw-in-base64-out --payload '{"action":"admin-token"}' /dev/stdout`,
      description: 'Shows the admin token, once',
    });
  }

  #makeIpv6Prober(): lambda.Function {
    const spec = functionSpecs.find(({ name }) => name === proberName);
    if (spec === undefined) throw new Error(`there is no function ${proberName}`);
    const { config, bundles } = this.#props;
    const code = lambda.Code.fromAsset(join(bundles.folder, proberName));
    return new Ipv6Prober(this, 'Ipv6Prober', { config, spec, code, environment: this.#environment(spec) }).function;
  }

  #get(name: string): lambda.Function {
    const fn = this.functions.get(name);
    if (fn === undefined) throw new Error(`there is no function ${name}`);
    return fn;
  }

  #function(spec: FunctionSpec): lambda.Function {
    const { config, bundles, data } = this.#props;
    const id = pascal(spec.name);
    const logs = logGroup(this, `${id}Log`, config);
    const network = spec.database === undefined ? undefined : data.database.network;
    const role = functionRole(this, `${id}Role`, {
      spec,
      logGroup: logs,
      inVpc: network !== undefined,
      ...this.#props,
      jobs: this.jobs,
      invokes: this.#invoked(spec),
    });
    const reserved = isLoop(spec.name) && config.reserveConcurrency;
    return new lambda.Function(this, id, {
      description: `certctl ${spec.name}`,
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      code: lambda.Code.fromAsset(join(bundles.folder, isLoop(spec.name) ? 'loops' : spec.name)),
      handler: isLoop(spec.name) ? `${spec.name}.handler` : 'index.handler',
      memorySize: config.memoryMb[spec.name] ?? spec.memoryMb,
      timeout: Duration.seconds(spec.timeoutSeconds),
      role,
      logGroup: logs,
      environment: this.#environment(spec),
      ...(reserved && { reservedConcurrentExecutions: 1 }),
      ...(network && {
        vpc: network.vpc,
        vpcSubnets: network.subnets,
        securityGroups: [network.securityGroup],
        ipv6AllowedForDualStack: network.dualStack,
      }),
      ...(spec.everyMinutes !== undefined && {
        // A late tick is worthless, the next one does its work: no retry, and only what failed is kept.
        maxEventAge: Duration.seconds(60),
        retryAttempts: 0,
        onFailure: new destinations.SqsDestination(this.failedTicks),
      }),
    });
  }

  /** Whom a function may call. */
  #invoked(spec: FunctionSpec): readonly lambda.Function[] {
    const more = spec.invokesProber === true && this.#ipv6Prober !== undefined ? [this.#ipv6Prober] : [];
    const called = functionSpecs
      .filter(
        (other) =>
          (spec.invokesProber === true && other.name === proberName) ||
          (spec.invokesConnector === true && other.name === connectorName) ||
          (spec.startsLoops === true && isLoop(other.name) && other.warms !== true) ||
          (spec.warms === true && other.database !== undefined && other.everyMinutes === undefined),
      )
      .map((other) => this.#get(other.name));
    return [...called, ...more];
  }

  #environment(spec: FunctionSpec): Record<string, string> {
    const { config, bundles, data, keys, edge } = this.#props;
    const { database } = data;
    const dualStack = database.network?.dualStack === true && spec.database !== undefined;
    const secret = spec.database === 'owner' ? database.ownerSecret : database.runtime.secret;
    return {
      CERTCTL_FUNCTION: spec.name,
      CERTCTL_RELEASE: bundles.digest.slice(0, 12),
      ...(spec.database !== undefined && {
        DATABASE_HOST: spec.database === 'owner' ? database.host : database.runtimeHost,
        DATABASE_PORT: database.port,
        DATABASE_NAME: database.name,
        DATABASE_USER: spec.database === 'owner' ? ownerRole : database.runtime.user,
        DATABASE_AUTH: secret === undefined ? 'iam' : 'secret',
        ...(secret && { DATABASE_SECRET_ARN: secret.secretArn }),
        // The runtime's own bundle has the authorities of RDS, which Node does not load by itself.
        ...(database.certificateAuthority === undefined
          ? { NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem' }
          : { DATABASE_CA: database.certificateAuthority }),
      }),
      ...(dualStack && { AWS_USE_DUALSTACK_ENDPOINT: 'true', NODE_OPTIONS: '--dns-result-order=ipv6first' }),
      ...(spec.tables?.state && { STATE_TABLE: data.state.tableName }),
      ...(spec.tables?.nonces && { NONCE_TABLE: data.nonces.tableName }),
      ...(spec.tables?.rates && { RATE_TABLE: data.rates.tableName }),
      ...(spec.artifacts && { ARTIFACT_BUCKET: data.artifacts.bucketName }),
      ...(spec.envelope && { ENVELOPE_KEY_ARN: keys.envelope.keyArn }),
      ...((spec.sendsJobs === true || spec.consumesJobs === true) && { JOB_QUEUE_URL: this.jobs.queueUrl }),
      ...(spec.invokesProber && { PROBER_FUNCTION: this.#get(proberName).functionName }),
      ...(spec.invokesProber && this.#ipv6Prober && { PROBER_IPV6_FUNCTION: this.#ipv6Prober.functionName }),
      ...(spec.invokesConnector && { CONNECTOR_FUNCTION: this.#get(connectorName).functionName }),
      ...(spec.startsLoops && {
        LOOP_FUNCTIONS: Stack.of(this).toJsonString(
          Object.fromEntries(
            functionSpecs
              .filter(({ name, warms }) => isLoop(name) && warms !== true)
              .map(({ name }) => [name, this.#get(name).functionName]),
          ),
        ),
      }),
      ...(spec.warms && {
        WARM_FUNCTIONS: this.#invoked(spec)
          .map((fn) => fn.functionName)
          .join(','),
      }),
      ...(spec.urls && { PUBLIC_BASE_URL: edge.publicBaseUrl, PKI_BASE_URL: edge.pkiBaseUrl }),
      ...limitVariables(spec.name, config),
      ...(spec.name === 'revocation' && edge.originToken !== undefined && { ORIGIN_TOKEN: edge.originToken }),
      ...(spec.name === 'acme' && {
        ACME_ENABLED: String(config.acme.enabled),
        ACME_DEFAULT_PROFILE: config.acme.defaultProfile,
        ACME_RENEWAL_INFO: String(config.acme.renewalInfo),
      }),
      ...(config.metrics === 'full' && { CERTCTL_METRICS: 'full' }),
      ...(spec.name === 'api' && {
        SCHEMA_HEAD: bundles.migrations.head,
        CERTIFICATE_MANAGER_REGIONS: config.certificateManagerRegions.join(','),
        CERTIFICATE_MANAGER_ROLES: config.certificateManagerRoles.join(' '),
        AGENT_POLL_SECONDS: String(config.agents.pollSeconds),
        AGENT_HEARTBEAT_SECONDS: String(config.agents.heartbeatSeconds),
        ...(config.agents.minimumVersion !== '' && { AGENT_MINIMUM_VERSION: config.agents.minimumVersion }),
      }),
      ...(spec.name === 'loop-renewal-check' && { AGENT_RENEWALS_PER_SECOND: String(config.agents.renewalsPerSecond) }),
      ...(spec.name === 'loop-agent-health' && { AGENT_SILENT_SECONDS: String(config.agents.silentSeconds) }),
      ...(spec.name === 'migrate' && { RUNTIME_ROLE: database.runtime.user }),
      ...((spec.name === proberName || spec.name === connectorName) && { DNS_RESOLVERS: config.dnsResolvers.join(',') }),
    };
  }

  #migrations(): CustomResource {
    const { data, bundles } = this.#props;
    const migrate = this.#get('migrate');
    // In our own network the answer goes through the S3 endpoint; in a foreign one CDK's framework, outside of it, answers.
    const foreign = data.database.network?.own === false;
    const serviceToken = foreign ? new Provider(this, 'SchemaProvider', { onEventHandler: migrate }).serviceToken : migrate.functionArn;
    const schema = new CustomResource(this, 'Schema', {
      resourceType: 'Custom::CertctlSchema',
      serviceToken,
      serviceTimeout: Duration.seconds(960),
      properties: { manifestDigest: bundles.migrations.digest },
    });
    schema.node.addDependency(...data.database.ready);
    return schema;
  }

  /** New accounts have fewer copies than this, and CloudFormation's own error does not say what to do. */
  #sayWhatIsReserved(): void {
    if (!this.#props.config.reserveConcurrency) return;
    const reserved = functionSpecs.filter((spec) => isLoop(spec.name)).length;
    const needed = reserved + unreservedMinimum;
    Annotations.of(this).addInfoV2(
      'certctl:reservedConcurrency',
      `reserves ${reserved} concurrent executions, one for each loop: an account with fewer than ${needed} refuses that; there set "reserveConcurrency": false`,
    );
  }

  /** The scheduler's own roles may invoke any version of the one function that they start; functions here have no versions. */
  #acknowledgeSchedulerRoles(): void {
    const roles = this.node.children.filter((child) => child.node.id.startsWith('SchedulerRoleForTarget'));
    for (const spec of functionSpecs.filter((candidate) => candidate.everyMinutes !== undefined)) {
      const arn = this.getLogicalId(this.#get(spec.name).node.defaultChild as CfnElement);
      for (const role of roles) {
        Validations.of(role).acknowledge({
          id: `AwsSolutions-IAM5[Resource::<${arn}.Arn>:*]`,
          reason: 'Versions of the one function that it starts.',
        });
      }
    }
  }

  #triggers(spec: FunctionSpec): void {
    const fn = this.#get(spec.name);
    const { entrance } = this.#props.edge;
    if ('balancer' in entrance) {
      const paths = (spec.routes ?? []).map((key) => (key.split(' ')[1] ?? '').replace('{proxy+}', '*'));
      if (paths.length > 0) entrance.balancer.route(this, pascal(spec.name), paths, fn, spec.plainHttp === true);
    } else this.#httpRoutes(spec, fn, entrance.api);
    this.#queueAndSchedule(spec, fn);
  }

  #httpRoutes(spec: FunctionSpec, fn: lambda.Function, httpApi: apigateway.HttpApi): void {
    const integration = spec.routes && new integrations.HttpLambdaIntegration(`${pascal(spec.name)}Integration`, fn);
    for (const [index, key] of (spec.routes ?? []).entries()) {
      const [method, path = ''] = key.split(' ');
      const route = new apigateway.HttpRoute(this, `${pascal(spec.name)}Route${index}`, {
        httpApi,
        routeKey: apigateway.HttpRouteKey.with(path, method === 'GET' ? apigateway.HttpMethod.GET : apigateway.HttpMethod.ANY),
        ...(integration && { integration }),
      } as apigateway.HttpRouteProps);
      Validations.of(route).acknowledge({
        id: 'AwsSolutions-APIG4',
        reason: 'ACME authenticates by signed requests, revocation status is public, and the control plane checks bearer tokens itself.',
      });
    }
    if (this.#props.config.iamCallers && integration !== undefined) this.#iamRoutes(spec, integration, httpApi);
  }

  /** API Gateway verifies the signature and that the caller's own policies allow the call; what the caller may do here is the function's to say. */
  #iamRoutes(spec: FunctionSpec, integration: integrations.HttpLambdaIntegration, httpApi: apigateway.HttpApi): void {
    for (const [index, key] of (spec.iamRoutes ?? []).entries()) {
      const route = new apigateway.HttpRoute(this, `${pascal(spec.name)}IamRoute${index}`, {
        httpApi,
        routeKey: apigateway.HttpRouteKey.with(key.split(' ')[1] ?? '', apigateway.HttpMethod.ANY),
        integration,
        authorizer: new HttpIamAuthorizer(),
      });
      new CfnOutput(this, `${pascal(spec.name)}IamRouteArn${index}`, {
        value: route.routeArn,
        description: 'What a role or user that calls must be allowed: execute-api:Invoke',
      });
    }
  }

  #queueAndSchedule(spec: FunctionSpec, fn: lambda.Function): void {
    if (spec.consumesJobs) {
      fn.addEventSource(
        new SqsEventSource(this.jobs, {
          batchSize: 10,
          reportBatchItemFailures: true,
          maxConcurrency: this.#props.config.workerMaxConcurrency,
        }),
      );
    }
    if (spec.everyMinutes !== undefined) {
      new scheduler.Schedule(this, `${pascal(spec.name)}Schedule`, {
        schedule: scheduler.ScheduleExpression.rate(Duration.minutes(spec.everyMinutes)),
        target: new targets.LambdaInvoke(fn, {
          input: scheduler.ScheduleTargetInput.fromObject({ loop: spec.name, scheduledTime: scheduler.ContextAttribute.scheduledTime }),
          maxEventAge: Duration.seconds(60),
          retryAttempts: 0,
        }),
        description: `certctl ${spec.name}`,
      });
    }
  }
}

/** What the function's limiters are configured to. */
function limitVariables(functionName: string, config: Config): Record<string, string> {
  const own = limitNames.filter((name) => (limitOf(name).functions as readonly string[]).includes(functionName));
  return Object.fromEntries(own.map((name) => [variableOf(limits[name].setting), String(config.limits[limits[name].setting])]));
}

function pascal(name: string): string {
  return name.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
