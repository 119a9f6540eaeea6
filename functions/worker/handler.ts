import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import * as z from 'zod';
import { agentStates } from '#adapters/dynamodb/agent-states.ts';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { gates } from '#adapters/dynamodb/gates.ts';
import { envelope } from '#adapters/kms/envelope.ts';
import { connector } from '#adapters/lambda/connector.ts';
import { prober } from '#adapters/lambda/prober.ts';
import { auditTrail } from '#adapters/postgres/audit.ts';
import { compromiseStore } from '#adapters/postgres/compromise.ts';
import { dueOfConnector } from '#adapters/postgres/connector-jobs.ts';
import { connectorWork } from '#adapters/postgres/connector-work.ts';
import { connectDatabase } from '#adapters/postgres/connection.ts';
import { intentStore } from '#adapters/postgres/issuance-intents.ts';
import { issuanceStore } from '#adapters/postgres/issuance.ts';
import { jobStore } from '#adapters/postgres/jobs.ts';
import { managedIssuanceStore } from '#adapters/postgres/managed-issuance.ts';
import { notificationStore } from '#adapters/postgres/notifications.ts';
import { outboxStore } from '#adapters/postgres/outbox.ts';
import { sealedKeys } from '#adapters/postgres/sealed-keys.ts';
import { crlShards } from '#adapters/postgres/crl-shards.ts';
import { crlStore } from '#adapters/postgres/crls.ts';
import { upstreamRevocations } from '#adapters/postgres/upstream-revocations.ts';
import { validationStore } from '#adapters/postgres/validations.ts';
import { artifacts } from '#adapters/s3/artifacts.ts';
import { jobQueue, type Hint } from '#adapters/sqs/job-queue.ts';
import { connectorAgentId } from '#domain/agent/connector.ts';
import { compromise } from '#domain/job/compromise.ts';
import { connectorDeployment, connectorInspection } from '#domain/job/connector-deployment.ts';
import { crl } from '#domain/job/crl.ts';
import { finalize } from '#domain/job/finalize.ts';
import type { JobType } from '#domain/job/job.ts';
import { revocation } from '#domain/job/revocation.ts';
import type { Runner } from '#domain/job/outcome.ts';
import { attempt } from '#domain/job/run.ts';
import { validation } from '#domain/job/validation.ts';
import { makeConnectorKey } from '#domain/lifecycle/connector-key.ts';
import { issueManaged } from '#domain/lifecycle/issue-managed.ts';
import { sendNotification } from '#domain/notification/send.ts';
import { scopeText, type CrlScope } from '#domain/revocation/crl-scope.ts';
import type { LoopName } from '#domain/schedule/loops.ts';
import { authorities } from '../shared/authorities.ts';
import { chance } from '../shared/chance.ts';
import { crlPublisher, crlShelf } from '../shared/crl-publisher.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';
import { count } from '../shared/metrics.ts';
import { newId } from '../shared/new-id.ts';
import { recentCrlShards } from '../shared/recent-crl-shards.ts';
import { agentTeller } from '../shared/tell-agents.ts';
import { waker } from '../shared/wake.ts';
import { deliverer } from './deliver.ts';

const settings = z
  .object({
    ...environment.database,
    ...environment.state,
    ...environment.artifacts,
    ...environment.envelope,
    ...environment.queue,
    ...environment.prober,
    ...environment.connector,
    PKI_BASE_URL: environment.urls.PKI_BASE_URL,
  })
  .parse(process.env);

const leaseSeconds = 60;
const dice = (): number => Buffer.from(chance.random(4)).readUInt32BE() / 2 ** 32;
const database = connectDatabase(settings, 'worker', 60_000);
const jobs = jobStore(database);
const trail = auditTrail(database);
const notifications = notificationStore(database);
const issuance = issuanceStore(database);
const authority = authorities(issuance, envelope(settings.ENVELOPE_KEY_ARN));
const crls = crlStore(database);
const publish = crlPublisher({ store: crls, shelf: crlShelf(artifacts(settings.ARTIFACT_BUCKET)), authority, now: () => chance.now() });
const due = async (): Promise<readonly CrlScope[]> => crls.due(new Date(chance.now()));
const queue = jobQueue(settings.JOB_QUEUE_URL);
const dynamodb = dynamodbClient(3000);
const wake = waker(gates(dynamodb, settings.STATE_TABLE), () => chance.now());
const tell = agentTeller({
  states: agentStates(dynamodb, settings.STATE_TABLE),
  outbox: outboxStore(database),
});
const ask = connector(settings.CONNECTOR_FUNCTION);
const deliver = deliverer(ask);
const keys = sealedKeys(database);

const managed = issueManaged({
  store: managedIssuanceStore(database),
  intents: intentStore(database),
  ask,
  connectorKey: (job, certificate) => makeConnectorKey({ ask, keep: (...key) => keys.keep(...key), newId }, job, certificate),
  authority,
  crlShards: recentCrlShards(crlShards(database), () => chance.now()),
  random: (bytes) => chance.random(bytes),
  now: () => chance.now(),
  newId,
  pkiBaseUrl: settings.PKI_BASE_URL,
});
// Of those, the worker's claim leaves what is an agent's alone.
const ofConnector = { work: connectorWork(database, dice), ask };
const runners: Readonly<Record<JobType, Runner>> = {
  validation: validation({
    jobs,
    validations: validationStore(database),
    probe: prober(settings.PROBER_FUNCTION, settings.PROBER_IPV6_FUNCTION),
  }),
  finalize: finalize({ jobs, issuance, authority, newId: () => newId('cert') }),
  crl: crl({
    jobs,
    publish,
    isDue: async (scope) => (await due()).some((other) => scopeText(other) === scopeText(scope)),
  }),
  issuance: managed,
  renewal: managed,
  csr: managed,
  deployment: connectorDeployment(ofConnector),
  inspection: connectorInspection(ofConnector),
  revocation: revocation({ jobs, store: upstreamRevocations(database), ask }),
  compromise: compromise({
    jobs,
    work: compromiseStore(database),
    publish: async (caId) => {
      for (const scope of await due()) if (scope.caId === caId) await publish(scope);
    },
    now: () => chance.now(),
  }),
};
const managedMakesDue = ['jobProcessor', 'jobTimeout', 'renewalCheck', 'shortLivedExpiryCheck', 'notificationProcess'] as const;
// Besides the job itself, which the job processor watches until it has ended.
const makesDue: Readonly<Record<JobType, readonly LoopName[]>> = {
  validation: ['jobProcessor'],
  finalize: ['jobProcessor', 'shortLivedExpiryCheck'],
  // Who dies between the end of the job and the last look at its list leaves the list to the loop; what is taken back may make renewals urgent.
  crl: ['jobProcessor', 'crlGeneration', 'renewalCheck'],
  issuance: managedMakesDue,
  renewal: managedMakesDue,
  csr: managedMakesDue,
  deployment: managedMakesDue,
  inspection: managedMakesDue,
  compromise: ['jobProcessor', 'jobTimeout', 'renewalCheck'],
  revocation: ['jobProcessor', 'jobTimeout', 'notificationProcess'],
};

const hint = z.union([
  z.strictObject({ jobId: z.string().min(1).max(128) }),
  z.strictObject({ notificationId: z.string().min(1).max(128) }),
]);
const message = z.union([
  hint,
  z.strictObject({ hints: z.array(hint).min(1).max(10) }),
  // After each batch the trail is sealed, whatever was in it.
  z.strictObject({ seal: z.literal(true) }),
]);
/** What the longest job, or the connector, may take: with less time left nothing is begun. */
const longestMs = 51_000;

/** Hints from the queue; each names a row, and the row is the truth. One bad message never returns its siblings. */
export async function handler(event: SQSEvent | { readonly warmup: true }, context: Context): Promise<SQSBatchResponse> {
  if (!('Records' in event)) return { batchItemFailures: [] };
  database.wake(chance.now());
  const failures = await Promise.all(
    event.Records.map(async (record) => ((await isDone(record, context)) ? [] : [{ itemIdentifier: record.messageId }])),
  );
  // What cannot be sealed now is sealed by its loop, which was woken.
  await trail.sealNow().catch((error: unknown) => log.warn('the audit trail was not sealed at once', { error: String(error) }));
  return { batchItemFailures: failures.flat() };
}

async function isDone(record: SQSRecord, context: Context): Promise<boolean> {
  try {
    const named = message.parse(JSON.parse(record.body));
    if ('seal' in named) return true;
    if ('hints' in named) {
      await workOnAll(named.hints, context);
      return true;
    }
    const { again, error } = await workOn(named, context);
    if (again !== undefined) await queue.postpone(record.receiptHandle, again);
    // A message whose job failed unexpectedly comes back until the queue has had enough of it: then it lies with the dead.
    else if (error === undefined) return true;
  } catch (error) {
    log.error('a message was not done', { messageId: record.messageId, error: error as Error });
  }
  return false;
}

/** Seconds after which the hint shall come back, and what nobody expected. */
interface Left {
  readonly again?: number;
  readonly error?: unknown;
  /** The connector has work by it. */
  readonly more?: boolean;
}

/** One after another. What has to come back, or has no time left, goes on in a message of its own. */
async function workOnAll(hints: readonly Hint[], context: Context): Promise<void> {
  for (const [index, each] of hints.entries()) {
    if (index > 0 && context.getRemainingTimeInMillis() < longestMs) return queue.sendOn(hints.slice(index), 0);
    const { again, error } = await workOn(each, context);
    if (again !== undefined || error !== undefined) await queue.sendOn([each], again ?? 0);
  }
}

async function workOn(named: Hint, context: Context): Promise<Left> {
  if ('notificationId' in named) {
    await workOnNotification(named.notificationId);
    return {};
  }
  const left = await workOnJob(named.jobId);
  // A certificate that was issued is deployed at once; for what no time is left, or dies here, the job processor hints again.
  for (const jobId of left.more === true ? await dueOfConnector(database, 10) : [])
    if (context.getRemainingTimeInMillis() > longestMs) await workOnJob(jobId);
  if (left.error !== undefined) log.error('a job met an error that nobody expected', { jobId: named.jobId, error: left.error as Error });
  return left;
}

async function workOnJob(jobId: string): Promise<Left> {
  const claim = await jobs.claim(jobId, newId('lease'), leaseSeconds);
  if (claim === 'done') return {};
  if ('notBefore' in claim) return { again: Math.max(0, Math.ceil((claim.notBefore.getTime() - chance.now()) / 1000)) };
  const { job } = claim;
  await wake(...makesDue[job.type]);
  const { outcome, error } = await attempt(jobs, runners[job.type], job, dice);
  const facts = { jobId, type: job.type, subjectId: job.subjectId, attempt: job.attempts, outcome: outcome.kind };
  log.info('job', facts);
  if (outcome.kind === 'done' && job.agentId !== undefined && job.agentId !== connectorAgentId) await tell([job.agentId]);
  if (outcome.kind === 'lost') count('LeaseLost');
  // A queue must not be fed by whom it feeds: what the job has to tell is sent by whoever did it.
  else if (makesDue[job.type].includes('notificationProcess'))
    await Promise.all((await notifications.fresh([job.id, job.subjectId])).map(workOnNotification));
  const more = outcome.kind === 'done' && job.agentId === connectorAgentId;
  return { more, ...(outcome.kind === 'again' && { again: outcome.delaySeconds }), ...(error !== undefined && { error }) };
}

async function workOnNotification(id: string): Promise<void> {
  const held = await notifications.claim(id, newId('lease'), leaseSeconds);
  if (held === undefined) return;
  await wake('notificationProcess');
  const ambiguousResend = (): void => log.warn('a notification whose end is unknown is sent again', { notificationId: id });
  const end = await sendNotification({ store: notifications, deliver, ambiguousResend, dice }, held);
  log.info('notification', { notificationId: id, event: held.event, channelId: held.channel.id, attempt: held.attempts, outcome: end });
  if (end === 'lost') count('LeaseLost');
}
