import * as z from 'zod';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { agentStates } from '#adapters/dynamodb/agent-states.ts';
import { gates } from '#adapters/dynamodb/gates.ts';
import { lastSeen } from '#adapters/dynamodb/last-seen.ts';
import { madeOnce } from '#adapters/dynamodb/made-once.ts';
import { profileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import { envelope } from '#adapters/kms/envelope.ts';
import { starter } from '#adapters/lambda/starter.ts';
import { agentCertificates } from '#adapters/postgres/agent-certificates.ts';
import { agentWork } from '#adapters/postgres/agent-work.ts';
import { agentGroups } from '#adapters/postgres/agent-groups.ts';
import { agentStore } from '#adapters/postgres/agents.ts';
import { apiKeys } from '#adapters/postgres/api-keys.ts';
import { auditTrail } from '#adapters/postgres/audit.ts';
import { authoritySuccession } from '#adapters/postgres/authority-succession.ts';
import { authorityAdministration } from '#adapters/postgres/authority-administration.ts';
import { authorityUpdate } from '#adapters/postgres/authority-update.ts';
import { callerStore } from '#adapters/postgres/callers.ts';
import { compromiseStore } from '#adapters/postgres/compromise.ts';
import { connectDatabase } from '#adapters/postgres/connection.ts';
import { crossCertificateStore } from '#adapters/postgres/cross-certificates.ts';
import { deployments } from '#adapters/postgres/deployments.ts';
import { eabKeyAdministration } from '#adapters/postgres/eab-keys.ts';
import { enrolmentTokens } from '#adapters/postgres/enrolment-tokens.ts';
import { failingNameAdministration } from '#adapters/postgres/failing-names.ts';
import { idempotent } from '#adapters/postgres/idempotency.ts';
import { issuanceStore } from '#adapters/postgres/issuance.ts';
import { issuerStore } from '#adapters/postgres/issuers.ts';
import { jobAdministration } from '#adapters/postgres/job-administration.ts';
import { loopSettingsStore } from '#adapters/postgres/loop-settings.ts';
import { managedCertificates } from '#adapters/postgres/managed-certificates.ts';
import { notificationAdministration } from '#adapters/postgres/notification-administration.ts';
import { outboxStore } from '#adapters/postgres/outbox.ts';
import { profileAdministration, replaceProfile } from '#adapters/postgres/profile-administration.ts';
import { signerKeyStore } from '#adapters/postgres/signer-keys.ts';
import { schemaHead } from '#adapters/postgres/schema-version.ts';
import { targetStore } from '#adapters/postgres/targets.ts';
import { anchorStore } from '#adapters/s3/anchors.ts';
import { deferredBucket } from '#adapters/s3/deferred-bucket.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { authorities } from '../shared/authorities.ts';
import { CaError } from '#domain/error.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { hinter } from '../shared/hint.ts';
import { httpFunction, logRefusal, type HttpRequest, type HttpResponse } from '../shared/http.ts';
import { log } from '../shared/log.ts';
import { newId } from '../shared/new-id.ts';
import { agentTeller } from '../shared/tell-agents.ts';
import { waker } from '../shared/wake.ts';
import { addressOf, connectLimiter } from '../shared/limiter.ts';
import { acmeAdministration } from '#adapters/postgres/acme-administration.ts';
import { approvals } from '#adapters/postgres/approvals.ts';
import { bulkCertificates } from '#adapters/postgres/bulk-certificates.ts';
import { ownerRecords, teamRecords } from '#adapters/postgres/people.ts';
import { policyRules } from '#adapters/postgres/policies.ts';
import { renewalPolicyRecords } from '#adapters/postgres/renewal-policies.ts';
import { revocationLookUp } from '#adapters/postgres/revocation-list.ts';
import { statistics } from '#adapters/postgres/statistics.ts';
import { acmeOperations } from './acme.ts';
import { approvalOperations } from './approvals.ts';
import { peopleOperations } from './people.ts';
import { policyOperations } from './policies.ts';
import { renewalPolicyOperations } from './renewal-policies.ts';
import { revocationOperations } from './revocations.ts';
import { statisticsOperations } from './statistics.ts';
import { accessOperations } from './access.ts';
import { agentAuthentication } from './agent-authentication.ts';
import { agentProtocolOperations } from './agent-protocol.ts';
import { agentGroupOperations } from './agent-groups.ts';
import { agentOperations } from './agents.ts';
import { auditOperations } from './audit.ts';
import { authentication, tokenOf } from './authentication.ts';
import { cursors } from './cursor.ts';
import { crossCertificateOperations } from './cross-certificates.ts';
import { deploymentOperations } from './deployments.ts';
import { eabKeyOperations } from './eab-keys.ts';
import { enrolmentTokenOperations } from './enrolment-tokens.ts';
import { certificateOperations } from './certificates.ts';
import { healthOperations } from './health.ts';
import { once } from './idempotency.ts';
import { intermediateOperations } from './intermediates.ts';
import { issuerOperations } from './issuers.ts';
import { jobOperations } from './jobs.ts';
import { loopOperations } from './loops.ts';
import { metaOperations } from './meta.ts';
import { notificationOperations } from './notifications.ts';
import { problemOf } from './problem.ts';
import { mirrorProfile, profileOperations } from './profiles.ts';
import { signerKeyOperations } from './signer-keys.ts';
import { targetOperations } from './targets.ts';
import { router } from './router.ts';

const settings = z
  .object({
    ...environment.database,
    ...environment.state,
    ...environment.envelope,
    ...environment.queue,
    ...environment.artifacts,
    ...environment.urls,
    /** File name of the newest migration in this release. */
    SCHEMA_HEAD: z.string().min(1),
    /** The loops' functions as JSON: name in the tree → name in the cloud. */
    LOOP_FUNCTIONS: z.string().default('{}'),
    CONNECTOR_DOOR: z.string().optional(),
    /** Seconds between an agent's looks for work, and between its heartbeats. */
    AGENT_POLL_SECONDS: z.coerce.number().int().min(1).max(3600).default(30),
    AGENT_HEARTBEAT_SECONDS: z.coerce.number().int().min(1).max(3600).default(60),
  })
  .parse(process.env);

const { database, keys } = idempotent(connectDatabase(settings, 'api', 20_000));
const dynamodb = dynamodbClient(3000);
const store = gates(dynamodb, settings.STATE_TABLE);
const sealed = envelope(settings.ENVELOPE_KEY_ARN);
const now = (): number => chance.now();
const wake = waker(store, now);
const hint = hinter(jobQueue(settings.JOB_QUEUE_URL));
const profiles = profileAdministration(database);
const trail = auditTrail(database);
const bucket = deferredBucket(settings.ARTIFACT_BUCKET);
const approvalStore = approvals(database, replaceProfile);
const mirror = profileMirror(dynamodb, settings.STATE_TABLE);
const door = z.object({ suffix: z.string() }).optional();
const doorSuffix = door.parse(settings.CONNECTOR_DOOR === undefined ? undefined : JSON.parse(settings.CONNECTOR_DOOR))?.suffix;
const limits = connectLimiter('api', process.env);
const callerOf = authentication({ callers: callerStore(database), limiter: limits.limiter, now });

const groups = agentGroups(database);
const agents = agentStore(database);
const states = agentStates(dynamodb, settings.STATE_TABLE);
const agentOf = agentAuthentication({ states, now });
const tell = agentTeller({ agents, states, outbox: outboxStore(database) });
const certificates = managedCertificates(database);

const route = router(
  [
    ...healthOperations({
      seen: lastSeen(dynamodb, settings.STATE_TABLE, 'database'),
      head: () => schemaHead(database),
      wanted: settings.SCHEMA_HEAD,
      chance,
    }),
    ...metaOperations({ publicBaseUrl: settings.PUBLIC_BASE_URL }),
    ...auditOperations({
      trail,
      anchors: anchorStore(bucket.artifacts),
      ...bucket,
      wake,
      newId,
      now,
    }),
    ...accessOperations({ store: apiKeys(database), chance, newId }),
    ...profileOperations({
      store: profiles,
      mirror,
      publicBaseUrl: settings.PUBLIC_BASE_URL,
      now,
      askApproval: async (proposed, baseVersion, actor) => {
        await wake('jobTimeout');
        return (await approvalStore.askProfileEdit(newId('ar'), proposed, baseVersion, actor)).id;
      },
    }),
    ...approvalOperations({
      store: approvalStore,
      wake,
      hint: (jobId) => hint({ jobId }),
      tell,
      mirror: (profile) => mirrorProfile({ store: profiles, mirror }, profile),
    }),
    ...peopleOperations({ teams: teamRecords(database), owners: ownerRecords(database), newId }),
    ...renewalPolicyOperations({ store: renewalPolicyRecords(database), newId, wake }),
    ...policyOperations({ store: policyRules(database), newId }),
    ...acmeOperations({ store: acmeAdministration(database), failingNames: failingNameAdministration(database) }),
    ...revocationOperations({ store: revocationLookUp(database) }),
    ...statisticsOperations({ store: statistics(database) }),
    ...crossCertificateOperations({ store: crossCertificateStore(database), chance }),
    ...intermediateOperations({
      store: { ...authorityAdministration(database, settings.PKI_BASE_URL), ...authorityUpdate(database, settings.PKI_BASE_URL) },
      compromises: compromiseStore(database),
      keys: signerKeyStore(database),
      envelope: sealed,
      authority: authorities(issuanceStore(database), sealed),
      chance,
      newId,
      pkiBaseUrl: settings.PKI_BASE_URL,
      wake,
      hint: (jobId) => hint({ jobId }),
      succession: authoritySuccession(database, settings.PKI_BASE_URL),
      moved: async (ids) => {
        for (const id of ids) {
          const profile = await profiles.profile(id);
          if (profile !== undefined) await mirrorProfile({ store: profiles, mirror }, profile);
        }
      },
    }),
    ...signerKeyOperations({ keys: signerKeyStore(database), envelope: sealed, newId }),
    ...eabKeyOperations({ store: eabKeyAdministration(database), envelope: sealed, chance }),
    ...certificateOperations({
      store: certificates,
      ofAgents: agentCertificates(database),
      tell,
      bulk: bulkCertificates(database),
      hintAt: hint,
      profile: (id) => profiles.profile(id),
      wake,
      hint: (jobId) => hint({ jobId }),
      newId,
      now,
    }),
    ...deploymentOperations({ store: deployments(database), certificates, groups, tell, wake }),
    ...agentGroupOperations({ store: groups, newId }),
    ...targetOperations({ store: targetStore(database), newId }),
    ...agentOperations({ store: agents, states, tell, wake, now }),
    ...enrolmentTokenOperations({ store: enrolmentTokens(database), chance, newId }),
    ...agentProtocolOperations({
      agents,
      states,
      work: agentWork(database),
      limiter: limits.limiter,
      tell,
      wake,
      hint: (jobId) => hint({ jobId }),
      newId,
      chance,
      pace: { poll: settings.AGENT_POLL_SECONDS, heartbeat: settings.AGENT_HEARTBEAT_SECONDS },
    }),
    ...issuerOperations({ store: issuerStore(database), newId }),
    ...jobOperations({ store: jobAdministration(database), wake, hint: (jobId) => hint({ jobId }) }),
    ...loopOperations({
      store: loopSettingsStore(database),
      gates: store,
      start: starter(z.record(z.string(), z.string()).parse(JSON.parse(settings.LOOP_FUNCTIONS))),
      newId,
      now,
    }),
    ...notificationOperations({
      store: notificationAdministration(database),
      envelope: sealed,
      chance,
      newId,
      wake,
      hint: (notificationId) => hint({ notificationId }),
      doorSuffix,
    }),
  ],
  {
    caller: async (request) => {
      const caller = await callerOf(request.headers['authorization'], addressOf(request.sourceIp));
      askers.set(request, caller.id);
      await limits.of(request).take('api-principal', caller.id);
      return caller;
    },
    agent: async (request, pathId) => {
      const agent = await agentOf(request, pathId);
      await limits.of(request).take('api-principal', agent.id);
      return agent;
    },
  },
  {
    changing: () => wake(),
    // What cannot be sealed now is sealed by its loop, which was woken.
    changed: () => trail.sealNow().catch((error: unknown) => log.warn('the audit trail was not sealed at once', { error: String(error) })),
    cursors: knownOnce(async () =>
      cursors(
        await madeOnce(dynamodb, settings.STATE_TABLE, { pk: 'cursor-secret', attribute: 'secret', make: async () => chance.random(32) }),
      ),
    ),
    once: once(keys, sealed),
  },
);

// Who asked, for a refusal that comes after that was known.
const askers = new WeakMap<HttpRequest, string>();

/** A refusal of who may not, or of a key that is none. A request without a key wakes no database, so it is only logged. */
async function noteRefusal(error: unknown, request: HttpRequest): Promise<void> {
  const code = error instanceof CaError ? error.code : undefined;
  const asker = askers.get(request);
  const guessed = code === 'unauthenticated' && tokenOf(request.headers['authorization']) !== undefined;
  if (!guessed && (code !== 'unauthorized' || asker === undefined)) return;
  try {
    const address = addressOf(request.sourceIp);
    await wake();
    await trail.noteRefusal({
      actor: asker ?? `anonymous:${address}`,
      actorType: asker === undefined ? 'Anonymous' : 'APIKey',
      resourceId: `${request.method} ${request.path}`.slice(0, 256),
      details: { code, address },
    });
    await trail.sealNow();
  } catch (cause) {
    log.warn('a refusal was not noted', { requestId: request.requestId, error: String(cause) });
  }
}

/** Asked for when it is first needed; after a failure again. */
function knownOnce<T>(ask: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | undefined;
  return () => {
    known ??= ask();
    known.catch(() => (known = undefined));
    return known;
  };
}

/** The control plane. */
export const handler = httpFunction(serve, {
  maxBodyBytes: 1024 * 1024,
  wake: (now) => database.wake(now),
  refuse: async (error, request) => {
    const problem = problemOf(error, request?.requestId);
    logRefusal(error, request, problem.status);
    if (request !== undefined) await noteRefusal(error, request);
    return dressed(problem, request);
  },
});

async function serve(request: HttpRequest): Promise<HttpResponse> {
  // A fleet behind one address is no flood; what it sends is proven by signatures that cost PostgreSQL nothing.
  const fleet = request.path.startsWith('/api/v1/agents/') && request.headers['signature-input'] !== undefined;
  await limits.of(request).take(fleet ? 'agent-address' : 'api-address', addressOf(request.sourceIp));
  return dressed(await route(request), request);
}

// A browser would demand https of everything else on the developer's machine, for a year.
const isLocal = new URL(settings.PUBLIC_BASE_URL).hostname === 'localhost';

/** What every answer carries. */
function dressed(response: HttpResponse, request: HttpRequest | undefined): HttpResponse {
  return {
    ...response,
    headers: {
      ...response.headers,
      ...(request !== undefined && { 'x-request-id': request.requestId }),
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      ...(!isLocal && { 'strict-transport-security': 'max-age=31536000' }),
      'referrer-policy': 'no-referrer',
    },
  };
}
