import { Duration, type RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as backup from 'aws-cdk-lib/aws-backup';
import * as events from 'aws-cdk-lib/aws-events';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';

/** Recovery points of what cannot be made anew, once a day in the window of the daily work, and their copies. */
export function dailyBackup(
  scope: Construct,
  config: NonNullable<Config['backup']>,
  resources: readonly backup.BackupResource[],
  removalPolicy: RemovalPolicy,
): void {
  const vault = new backup.BackupVault(scope, 'BackupVault', { removalPolicy });
  const kept = Duration.days(config.retentionDays);
  const plan = new backup.BackupPlan(scope, 'BackupPlan', {
    backupVault: vault,
    backupPlanRules: [
      new backup.BackupPlanRule({
        ruleName: 'daily',
        scheduleExpression: events.Schedule.cron({ hour: '3', minute: '0' }),
        deleteAfter: kept,
        copyActions: config.copyToVaultArns.map((arn, index) => ({
          destinationBackupVault: backup.BackupVault.fromBackupVaultArn(scope, `CopyVault${index}`, arn),
          deleteAfter: kept,
        })),
      }),
    ],
  });
  const selection = plan.addSelection('Data', { resources: [...resources] });
  Validations.of(selection).acknowledge({
    id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup]',
    reason: 'AWS Backup’s own policy for its own role; what a recovery point needs changes with the services that it covers.',
  });
}
