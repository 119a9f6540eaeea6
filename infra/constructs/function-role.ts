import { Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';
import { connectorName, type FunctionSpec } from '../functions.ts';
import { artifactsArnExport, type DataStack } from '../stacks/data.ts';
import type { KeysStack } from '../stacks/keys.ts';

export interface FunctionRoleProps {
  readonly spec: FunctionSpec;
  readonly logGroup: logs.ILogGroup;
  readonly inVpc: boolean;
  readonly data: DataStack;
  readonly keys: KeysStack;
  readonly jobs: sqs.IQueue;
  /** Whom it may call. */
  readonly invokes: readonly lambda.IFunction[];
  readonly config: Config;
}

/** A role with exactly what the function's row in the table says. */
export function functionRole(scope: Construct, id: string, props: FunctionRoleProps): iam.Role {
  const { spec, data, keys } = props;
  const role = loggingRole(scope, id, `certctl ${spec.name}`, props.logGroup);
  const allow = (actions: string[], resources: string[]): void => allowed(role, actions, resources);
  if (props.inVpc) allowInterfaces(role);
  if (spec.database === 'runtime') data.database.grantConnect(role);
  if (spec.database === 'owner') data.database.ownerSecret.grantRead(role);
  for (const [table, operations] of Object.entries(spec.tables ?? {})) {
    const arn = { state: data.state, nonces: data.nonces, rates: data.rates }[table as 'state' | 'nonces' | 'rates'].tableArn;
    allow(
      operations.map((operation) => `dynamodb:${operation}`),
      [arn],
    );
  }
  for (const prefix of spec.artifacts ?? []) {
    allow(['s3:GetObject', 's3:PutObject'], [`${data.artifactsArn}/${prefix}`]);
    // Without it S3 answers 403 instead of 404 for a key that does not exist yet.
    allow(['s3:ListBucket'], [data.artifactsArn]);
    acknowledge(role, `AwsSolutions-IAM5[Resource::${artifactsArnExport}/${prefix}]`, 'CRLs under their prefix.');
  }
  for (const use of spec.envelope ?? []) {
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: [use === 'encrypt' ? 'kms:Encrypt' : 'kms:Decrypt'],
        resources: [keys.envelope.keyArn],
        ...(use === 'decrypt' &&
          spec.envelopeContexts !== undefined && {
            conditions: { StringLike: { 'kms:EncryptionContext:certctl': spec.envelopeContexts.map((begin) => `${begin}*`) } },
          }),
      }),
    );
  }
  if (spec.signs === true && props.config.caKeyArns.length > 0) allow(['kms:GetPublicKey', 'kms:Sign'], props.config.caKeyArns);
  if (spec.name === connectorName && props.config.privateCaArns.length > 0)
    allow(['acm-pca:IssueCertificate', 'acm-pca:GetCertificate', 'acm-pca:RevokeCertificate'], props.config.privateCaArns);
  if (spec.name === connectorName && props.config.certificateManagerRegions.length > 0) {
    allowImports(role, props.config.certificateManagerRegions);
    if (props.config.certificateManagerRoles.length > 0) allow(['sts:AssumeRole'], props.config.certificateManagerRoles);
    const conditions = { StringLike: { 'kms:EncryptionContext:certctl': ['connector:key:*'] } };
    role.addToPolicy(new iam.PolicyStatement({ actions: ['kms:Encrypt'], resources: [keys.envelope.keyArn], conditions }));
  }
  if (spec.sendsJobs) allow(['sqs:SendMessage'], [props.jobs.queueArn]);
  // The event source's own grant lacks this one: a job that must wait makes its message wait.
  if (spec.consumesJobs) allow(['sqs:ChangeMessageVisibility'], [props.jobs.queueArn]);
  if (props.invokes.length > 0)
    allow(
      ['lambda:InvokeFunction'],
      props.invokes.map((fn) => fn.functionArn),
    );
  return role;
}

/** Certificates of ACM that carry a target's tag, and new ones that get it; and to look through the others for one. */
function allowImports(role: iam.Role, regions: readonly string[]): void {
  const { partition, account } = Stack.of(role);
  const certificates = regions.map((region) => `arn:${partition}:acm:${region}:${account}:certificate/*`);
  const tagged = (key: 'aws:RequestTag' | 'aws:ResourceTag') => ({ StringLike: { [`${key}/certctl:target`]: 'tgt-*' } });
  const statement = (actions: string[], conditions?: Record<string, unknown>): iam.PolicyStatement =>
    new iam.PolicyStatement({ actions, resources: certificates, ...(conditions && { conditions }) });
  role.addToPolicy(statement(['acm:ImportCertificate', 'acm:AddTagsToCertificate'], tagged('aws:RequestTag')));
  role.addToPolicy(statement(['acm:ImportCertificate', 'acm:GetCertificate', 'acm:DescribeCertificate'], tagged('aws:ResourceTag')));
  role.addToPolicy(statement(['acm:ListTagsForCertificate']));
  allowed(role, ['acm:ListCertificates'], ['*']);
  for (const region of regions)
    acknowledge(
      role,
      `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:acm:${region}:<AWS::AccountId>:certificate/*]`,
      'ACM names certificates itself; those that have no tag of a target are only looked at for one.',
    );
  acknowledge(role, 'AwsSolutions-IAM5[Resource::*]', 'acm:ListCertificates knows no resource.');
}

/** A role for the prober in a network: its log group, and the interfaces that Lambda makes there. */
export function proberRole(scope: Construct, id: string, logGroup: logs.ILogGroup): iam.Role {
  const role = loggingRole(scope, id, 'certctl prober over IPv6', logGroup);
  allowInterfaces(role);
  return role;
}

function loggingRole(scope: Construct, id: string, description: string, logGroup: logs.ILogGroup): iam.Role {
  const role = new iam.Role(scope, id, { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'), description });
  allowed(role, ['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroup.logGroupArn]);
  acknowledge(role, `AwsSolutions-IAM5[Resource::<${logicalId(logGroup)}.Arn>:*]`, 'Streams of its own log group.');
  return role;
}

/** Lambda makes the interfaces with the function's role, and EC2 knows no narrower resource for these actions. */
function allowInterfaces(role: iam.Role): void {
  allowed(
    role,
    [
      'ec2:CreateNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:DeleteNetworkInterface',
      'ec2:AssignPrivateIpAddresses',
      'ec2:UnassignPrivateIpAddresses',
    ],
    ['*'],
  );
  acknowledge(role, 'AwsSolutions-IAM5[Resource::*]', 'Network interfaces of VPC functions: EC2 supports no resource for these actions.');
}

function allowed(role: iam.Role, actions: string[], resources: string[]): void {
  role.addToPolicy(new iam.PolicyStatement({ actions, resources }));
}

function acknowledge(role: iam.Role, id: string, reason: string): void {
  Validations.of(role).acknowledge({ id, reason });
}

function logicalId(construct: logs.ILogGroup): string {
  return Stack.of(construct).getLogicalId(construct.node.defaultChild as never);
}
