import { agentStates } from '#adapters/dynamodb/agent-states.ts';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { gates } from '#adapters/dynamodb/gates.ts';
import { madeOnce } from '#adapters/dynamodb/made-once.ts';
import { envelope } from '#adapters/kms/envelope.ts';
import { attributed } from '#adapters/postgres/attribution.ts';
import { auditTrail } from '#adapters/postgres/audit.ts';
import { callerStore } from '#adapters/postgres/callers.ts';
import { connectDatabase } from '#adapters/postgres/connection.ts';
import { idempotent } from '#adapters/postgres/idempotency.ts';
import { noticingAudit } from '#adapters/postgres/notice-audit.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { CaError } from '#domain/error.ts';
import { addressOf } from '../shared/address-of.ts';
import { chance } from '../shared/chance.ts';
import { hinter, hintsBeside } from '../shared/hint.ts';
import { httpFunction, logRefusal, type HttpRequest, type HttpResponse } from '../shared/http.ts';
import { knownOnce } from '../shared/known-once.ts';
import { connectLimiter } from '../shared/limiter.ts';
import { log } from '../shared/log.ts';
import { waker } from '../shared/wake.ts';
import { agentAuthentication } from './agent-authentication.ts';
import { areas } from './areas.ts';
import { authentication, credentialOf } from './authentication.ts';
import { cursors } from './cursor.ts';
import { once } from './idempotency.ts';
import { problemOf } from './problem.ts';
import { router } from './router.ts';
import { settings } from './settings.ts';

const dynamodb = dynamodbClient(3000);
const store = gates(dynamodb, settings.STATE_TABLE);
const sealed = envelope(settings.ENVELOPE_KEY_ARN);
const now = (): number => chance.now();
const wake = waker(store, now);
// Agents that have nothing to say write nothing, and must not keep the database awake for the sealer's sake.
let unsealed = false;
const attribution = attributed(connectDatabase(settings, 'api', 20_000));
const connection = noticingAudit(attribution.database, () => (unsealed = true), wake);
const { database, keys } = idempotent(connection);
const trail = auditTrail(database);
const limits = connectLimiter('api', process.env);
const callerOf = authentication({ callers: callerStore(database), limiter: limits.limiter, now });
const hints = hintsBeside(hinter(jobQueue(settings.JOB_QUEUE_URL)));
const states = agentStates(dynamodb, settings.STATE_TABLE);
const agentOf = agentAuthentication({ states, now });

const route = router(
  areas({ settings, database, dynamodb, gates: store, sealed, limiter: limits.limiter, trail, states, wake, hint: hints.hint, now }),
  {
    caller: async (request) => {
      const caller = await callerOf(credentialOf(request), addressOf(request.sourceIp));
      askers.set(request, caller.id);
      await limits.of(request).take('api-principal', caller.id);
      return caller;
    },
    agent: async (request, pathId, remembered) => {
      const agent = await agentOf(request, pathId, remembered);
      await limits.of(request).take('api-principal', agent.id);
      return agent;
    },
  },
  {
    changed: async () => {
      await Promise.all([sealChanges(), hints.sent()]);
    },
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

/** What cannot be sealed now is sealed by its loop, which was woken. */
async function sealChanges(): Promise<void> {
  if (!unsealed) return;
  unsealed = false;
  await trail.sealNow().catch((error: unknown) => log.warn('the audit trail was not sealed at once', { error: String(error) }));
}

/** A refusal of who may not, or of a key that is none. A request without a key wakes no database, so it is only logged. */
async function noteRefusal(error: unknown, request: HttpRequest): Promise<void> {
  const code = error instanceof CaError ? error.code : undefined;
  const asker = askers.get(request);
  const guessed = code === 'unauthenticated' && credentialOf(request) !== undefined;
  if (!guessed && (code !== 'unauthorized' || asker === undefined)) return;
  try {
    const address = addressOf(request.sourceIp);
    await trail.noteRefusal({
      actor: asker ?? request.iam?.principal?.actor ?? `anonymous:${address}`,
      actorType: asker === undefined ? 'Anonymous' : 'APIKey',
      resourceId: `${request.method} ${request.path}`.slice(0, 256),
      details: { code, address },
    });
    await sealChanges();
  } catch (cause) {
    log.warn('a refusal was not noted', { requestId: request.requestId, error: String(cause) });
  }
}

/** The control plane. */
export const handler = httpFunction(serve, {
  maxBodyBytes: 1024 * 1024,
  iamRoute: { key: 'ANY /iam/{proxy+}', prefix: '/iam' },
  wake: (now) => database.wake(now),
  refuse: async (error, request) => {
    const problem = problemOf(error, request?.requestId);
    logRefusal(error, request, problem.status);
    if (request !== undefined) await attribution.as(request.iam?.principal, () => noteRefusal(error, request));
    return dressed(problem, request);
  },
});

async function serve(request: HttpRequest): Promise<HttpResponse> {
  // A fleet behind one address is no flood; what it sends is proven by signatures that cost PostgreSQL nothing.
  const fleet = request.iam === undefined && request.path.startsWith('/api/v1/agents/') && request.headers['signature-input'] !== undefined;
  await limits.of(request).take(fleet ? 'agent-address' : 'api-address', addressOf(request.sourceIp));
  return dressed(await attribution.as(request.iam?.principal, () => route(request)), request);
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
