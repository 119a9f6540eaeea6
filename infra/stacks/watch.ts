import { CfnOutput, Duration, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as subscriptions from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import { scheduledLoops } from '#domain/schedule/loops.ts';
import type { Config } from '../config.ts';
import { alarmRows, loopMetric, seriesMetric, standardAlarms } from '../constructs/alarms.ts';
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
    this.alarms = [
      ...standardAlarms(this),
      ...this.#queueAlarms(services),
      ...(config.metrics === 'full' ? this.#fullAlarms(services) : []),
    ];
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

  #queueAlarms({ deadJobs, failedTicks }: ServicesStack): readonly cloudwatch.Alarm[] {
    const dead = deadJobs.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: Duration.minutes(5) });
    // By what arrives, not by what lies there: a failed tick is mended by the next, and lies there for two weeks.
    const failed = failedTicks.metricNumberOfMessagesSent({ statistic: 'Sum', period: Duration.minutes(15) });
    return [
      this.#alarm('DeadJobs', 'a job’s message failed five times and lies with the dead: its log lines say why', dead, 1),
      this.#alarm('FailedTicks', 'three ticks of loops ended in an error within a quarter of an hour: their log lines say why', failed, 3),
    ];
  }

  /** Per loop: overdue, failing, near its time-out. Per function that strangers wait for: throttled. */
  #fullAlarms(services: ServicesStack): readonly cloudwatch.Alarm[] {
    const ofFunctions = functionSpecs.flatMap((spec) => {
      const fn = services.functions.get(spec.name);
      if (fn === undefined) return [];
      if (spec.everyMinutes !== undefined) {
        const period = Duration.minutes(Math.max(15, spec.everyMinutes * 3));
        return [
          this.#alarm(`${spec.name}-errors`, `${spec.name} failed three times in three intervals`, fn.metricErrors({ period }), 3),
          this.#alarm(
            `${spec.name}-duration`,
            `${spec.name} took four fifths of its time-out`,
            fn.metricDuration({ statistic: 'Maximum', period }),
            spec.timeoutSeconds * 800,
          ),
        ];
      }
      if (spec.routes === undefined) return [];
      const throttles = fn.metricThrottles({ period: Duration.minutes(5) });
      return [this.#alarm(`${spec.name}-throttles`, `${spec.name} is throttled: raise the account’s concurrency`, throttles, 3)];
    });
    const overdue = scheduledLoops
      .filter((loop) => loop.name !== 'monitor')
      .map((loop) => {
        const intervals = loop.everyMinutes >= 360 ? 2 : 3;
        const age = loopMetric('LastSuccessAge', loop.name, 'Maximum').with({ period: Duration.minutes(15) });
        return this.#alarm(
          `${loop.function}-age`,
          `${loop.name} has not succeeded for ${intervals} of its intervals`,
          age,
          intervals,
          cloudwatch.TreatMissingData.BREACHING,
        );
      });
    return [...ofFunctions, ...overdue];
  }

  #alarm(
    id: string,
    meaning: string,
    metric: cloudwatch.IMetric,
    threshold: number,
    treatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
  ): cloudwatch.Alarm {
    const comparisonOperator = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD;
    const description = { alarmDescription: `certctl: ${meaning}`, evaluationPeriods: 1, comparisonOperator };
    return new cloudwatch.Alarm(this, id, { ...description, metric, threshold, treatMissingData });
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
        services.failedTicks.metricNumberOfMessagesSent(),
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
