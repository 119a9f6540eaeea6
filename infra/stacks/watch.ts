import { CfnOutput, Duration, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as subscriptions from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';
import { alarmRows, seriesMetric, standardAlarms } from '../constructs/alarms.ts';
import { functionSpecs } from '../functions.ts';
import type { EdgeStack } from './edge.ts';
import type { ServicesStack } from './services.ts';

export interface WatchProps extends StackProps {
  readonly config: Config;
  readonly services: ServicesStack;
  readonly edge: EdgeStack;
}

/** What tells a person: alarms by way of a topic, and a page to look at. It may be replaced without touching what it watches. */
export class WatchStack extends Stack {
  readonly alarms: readonly cloudwatch.Alarm[];

  constructor(scope: Construct, id: string, props: WatchProps) {
    super(scope, id, { ...props, description: 'certctl: alarms and dashboard' });
    const { config, services } = props;
    const topic = this.#topic(config.alarms);
    const dead = new cloudwatch.Alarm(this, 'DeadJobs', {
      alarmDescription: 'certctl: a job’s message failed five times and lies with the dead: its log lines say why',
      metric: services.deadJobs.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: Duration.minutes(5) }),
      threshold: 0,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    this.alarms = [...standardAlarms(this), dead, ...(config.metrics === 'full' ? this.#fullAlarms(services) : [])];
    for (const alarm of this.alarms) alarm.addAlarmAction(new actions.SnsAction(topic));
    if (config.dashboard) this.#dashboard(props);
    new CfnOutput(this, 'AlarmTopic', { value: topic.topicArn });
  }

  #topic(config: Config['alarms']): sns.ITopic {
    if (config.topicArn !== undefined) return sns.Topic.fromTopicArn(this, 'Topic', config.topicArn);
    const topic = new sns.Topic(this, 'Topic', { displayName: 'certctl alarms', enforceSSL: true });
    Validations.of(topic).acknowledge({
      id: 'AwsSolutions-SNS2',
      reason: 'Carries names of alarms, no data; a key that CloudWatch may use would cost as much as the platform’s own.',
    });
    if (config.email !== undefined) topic.addSubscription(new subscriptions.EmailSubscription(config.email));
    return topic;
  }

  /** One per loop that fails, and one per function that strangers wait for and that is throttled. */
  #fullAlarms(services: ServicesStack): readonly cloudwatch.Alarm[] {
    const usual = { evaluationPeriods: 1, threshold: 3, treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING } as const;
    return functionSpecs.flatMap((spec) => {
      const fn = services.functions.get(spec.name);
      if (fn === undefined) return [];
      if (spec.everyMinutes !== undefined) {
        const period = Duration.minutes(Math.max(15, spec.everyMinutes * 3));
        return [
          new cloudwatch.Alarm(this, `${spec.name}-errors`, {
            ...usual,
            alarmDescription: `certctl: ${spec.name} failed three times in three intervals`,
            metric: fn.metricErrors({ period }),
          }),
        ];
      }
      return spec.routes === undefined
        ? []
        : [
            new cloudwatch.Alarm(this, `${spec.name}-throttles`, {
              ...usual,
              alarmDescription: `certctl: ${spec.name} is throttled: raise the account’s concurrency`,
              metric: fn.metricThrottles({ period: Duration.minutes(5) }),
            }),
          ];
    });
  }

  #dashboard({ services, edge }: WatchProps): void {
    const dashboard = new cloudwatch.Dashboard(this, 'Dashboard', { defaultInterval: Duration.hours(24) });
    const functions = functionSpecs.flatMap((spec) => services.functions.get(spec.name) ?? []);
    const graph = (title: string, left: cloudwatch.IMetric[]): cloudwatch.GraphWidget =>
      new cloudwatch.GraphWidget({ title, left, width: 12 });
    dashboard.addWidgets(new cloudwatch.AlarmStatusWidget({ title: 'Alarms', alarms: [...this.alarms], width: 24 }));
    dashboard.addWidgets(
      graph(
        'Loops, queues and CRLs',
        alarmRows.map((row) => seriesMetric(row.series, row.statistic)),
      ),
      graph('Jobs', [
        services.jobs.metricApproximateNumberOfMessagesVisible(),
        services.deadJobs.metricApproximateNumberOfMessagesVisible(),
      ]),
    );
    dashboard.addWidgets(
      graph(
        'Errors',
        functions.map((fn) => fn.metricErrors()),
      ),
      graph(
        'Throttles',
        functions.map((fn) => fn.metricThrottles()),
      ),
    );
    if ('api' in edge.entrance) {
      const { api } = edge.entrance;
      dashboard.addWidgets(
        graph('Requests', [api.metricCount(), api.metricClientError(), api.metricServerError()]),
        graph('Latency', [api.metricLatency({ statistic: 'p50' }), api.metricLatency({ statistic: 'p99' })]),
      );
    }
  }
}
