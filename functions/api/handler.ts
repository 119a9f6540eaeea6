import { z } from 'zod';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { lastSeen } from '#adapters/dynamodb/last-seen.ts';
import { profileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import { envelope } from '#adapters/kms/envelope.ts';
import { callerStore } from '#adapters/postgres/callers.ts';
import { connectDatabase } from '#adapters/postgres/connection.ts';
import { eabKeyAdministration } from '#adapters/postgres/eab-keys.ts';
import { profileAdministration } from '#adapters/postgres/profile-administration.ts';
import { schemaHead } from '#adapters/postgres/schema-version.ts';
import type { Caller } from '#domain/access/permission.ts';
import { CaError } from '#domain/error.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { httpFunction, logRefusal, type HttpRequest } from '../shared/http.ts';
import { eabKeyOperations } from './eab-keys.ts';
import { healthOperations } from './health.ts';
import { problemOf } from './problem.ts';
import { profileOperations } from './profiles.ts';
import { router } from './router.ts';

const settings = z
  .object({
    ...environment.database,
    ...environment.state,
    ...environment.envelope,
    PUBLIC_BASE_URL: environment.urls.PUBLIC_BASE_URL,
    /** File name of the newest migration in this release. */
    SCHEMA_HEAD: z.string().min(1),
  })
  .parse(process.env);

const database = connectDatabase(settings, 'api', 20_000);
const dynamodb = dynamodbClient(3000);
const callers = callerStore(database);

const route = router(
  [
    ...healthOperations({
      seen: lastSeen(dynamodb, settings.STATE_TABLE, 'database'),
      head: () => schemaHead(database),
      wanted: settings.SCHEMA_HEAD,
      chance,
    }),
    ...profileOperations({
      store: profileAdministration(database),
      mirror: profileMirror(dynamodb, settings.STATE_TABLE),
      publicBaseUrl: settings.PUBLIC_BASE_URL,
    }),
    ...eabKeyOperations({ store: eabKeyAdministration(database), envelope: envelope(settings.ENVELOPE_KEY_ARN), chance }),
  ],
  authenticate,
);

/** The control plane. */
export const handler = httpFunction(route, {
  maxBodyBytes: 1024 * 1024,
  wake: (now) => database.wake(now),
  refuse: async (error, request) => {
    const problem = problemOf(error, request?.requestId);
    logRefusal(error, request, problem.status);
    return problem;
  },
});

async function authenticate(request: HttpRequest): Promise<Caller> {
  const [, token] = /^Bearer ([A-Za-z0-9._~+/=-]{16,512})$/.exec(request.headers['authorization'] ?? '') ?? [];
  const caller = token === undefined ? undefined : await callers.callerOf(token);
  if (caller === undefined) throw new CaError('unauthenticated', 'send the header "Authorization: Bearer <token>" with a valid token');
  return caller;
}
