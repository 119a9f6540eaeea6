import { Duration, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import * as backup from 'aws-cdk-lib/aws-backup';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';
import { dailyBackup } from '../constructs/backup.ts';
import { newDatabase, existingDatabase, type PlatformDatabase } from '../constructs/database.ts';

/** A name that says what it is, for policies and their reviewers. */
export const artifactsArnExport = 'CertctlArtifactsArn';

export interface DataProps extends StackProps {
  readonly config: Config;
}

/** What must survive everything: the database, the tables, the artifacts. */
export class DataStack extends Stack {
  readonly database: PlatformDatabase;
  /** Spent nonces. */
  readonly nonces: dynamodb.Table;
  readonly rates: dynamodb.Table;
  /** Nonce keys, the profiles' mirror, what was last seen of the database. */
  readonly state: dynamodb.Table;
  readonly artifacts: s3.Bucket;
  readonly artifactsArn: string;
  readonly #removalPolicy: RemovalPolicy;

  constructor(scope: Construct, id: string, props: DataProps) {
    super(scope, id, { ...props, description: 'certctl: database, tables, artifacts' });
    this.#removalPolicy = props.config.retainData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;
    this.nonces = this.#table('Nonces');
    this.rates = this.#table('RateLimits');
    this.state = this.#table('State');
    this.artifacts = new s3.Bucket(this, 'Artifacts', {
      versioned: true,
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: this.#removalPolicy,
      lifecycleRules: [
        { noncurrentVersionExpiration: Duration.days(90) },
        // Exports of the audit trail are fetched at once, or made anew.
        { prefix: 'audit/exports/', expiration: Duration.days(1), noncurrentVersionExpiration: Duration.days(1) },
      ],
    });
    Validations.of(this.artifacts).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'Holds CRLs, which are public by nature, and is read by our own functions only; server access logs would cost more than the bucket.',
    });
    this.artifactsArn = this.exportValue(this.artifacts.bucketArn, { name: artifactsArnExport });
    this.database =
      props.config.existingDatabase === undefined
        ? newDatabase(this, props.config, this.artifacts)
        : existingDatabase(this, props.config.existingDatabase);
    if (props.config.backup !== undefined) {
      const { recoverable } = this.database;
      // Rate limits and spent nonces are worth nothing an hour later.
      const resources = [
        backup.BackupResource.fromDynamoDbTable(this.state),
        ...recoverable.map((cluster) => backup.BackupResource.fromRdsDatabaseCluster(cluster)),
      ];
      dailyBackup(this, props.config.backup, resources, this.#removalPolicy);
    }
  }

  #table(id: string): dynamodb.Table {
    return new dynamodb.Table(this, id, {
      partitionKey: { name: 'pk', type: dynamodb.AttributeType.STRING },
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      timeToLiveAttribute: 'exp',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      removalPolicy: this.#removalPolicy,
    });
  }
}
