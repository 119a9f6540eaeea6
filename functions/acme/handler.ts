import * as z from 'zod/mini';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { gates } from '#adapters/dynamodb/gates.ts';
import { nonces } from '#adapters/dynamodb/nonces.ts';
import { profileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import { envelope } from '#adapters/kms/envelope.ts';
import { accountStore } from '#adapters/postgres/accounts.ts';
import { connectDatabase } from '#adapters/postgres/connection.ts';
import { crlShards } from '#adapters/postgres/crl-shards.ts';
import { crossCertificateStore } from '#adapters/postgres/cross-certificates.ts';
import { failingNameStore } from '#adapters/postgres/failing-names.ts';
import { issuanceStore } from '#adapters/postgres/issuance.ts';
import { noticingAudit } from '#adapters/postgres/notice-audit.ts';
import { notificationStore } from '#adapters/postgres/notifications.ts';
import { orderStore } from '#adapters/postgres/orders.ts';
import { profileStore } from '#adapters/postgres/profiles.ts';
import { renewalInfoStore } from '#adapters/postgres/renewal-info.ts';
import { revocationStore } from '#adapters/postgres/revocations.ts';
import { starStore } from '#adapters/postgres/stars.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import type { AcmePorts } from '#domain/acme/ports.ts';
import { authorities } from '../shared/authorities.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { hinter } from '../shared/hint.ts';
import { httpFunction, logRefusal, type HttpRequest, type HttpResponse } from '../shared/http.ts';
import { addressOf } from '../shared/address-of.ts';
import { connectLimiter } from '../shared/limiter.ts';
import { log } from '../shared/log.ts';
import { recentCrlShards } from '../shared/recent-crl-shards.ts';
import { sealSoon } from '../shared/seal-soon.ts';
import { waker } from '../shared/wake.ts';
import { alternateChains } from './alternate-chains.ts';
import { problemOf } from './problem.ts';
import { isProfileId, knownProfiles } from './profiles.ts';
import type { AcmeContext } from './call.ts';
import { serveAcme, splitPath } from './routes.ts';
import { acmeUrls } from '#domain/acme/urls.ts';

const settings = z
  .object({
    ...environment.database,
    ...environment.state,
    ...environment.nonces,
    ...environment.envelope,
    ...environment.queue,
    ...environment.urls,
    ACME_ENABLED: z._default(z.stringbool(), true),
    /** Empty: the shorthand stands for no profile. */
    ACME_DEFAULT_PROFILE: z._default(z.string(), 'default'),
    ACME_RENEWAL_INFO: z._default(z.stringbool(), true),
    /** Milliseconds that the tables have for an answer, each of two times. */
    STORE_TRY_MS: z._default(z.coerce.number().check(z.int(), z.positive()), 1000),
  })
  .parse(process.env);

const queue = jobQueue(settings.JOB_QUEUE_URL);
const seals = sealSoon(queue, () => chance.now());
const database = noticingAudit(connectDatabase(settings, 'acme', 20_000), seals.committed);
const dynamodb = dynamodbClient(settings.STORE_TRY_MS);
const sealed = envelope(settings.ENVELOPE_KEY_ARN);
const issuance = issuanceStore(database);
const orders = orderStore(database);
const revocations = revocationStore(database);
const stars = starStore(database);
const wake = waker(gates(dynamodb, settings.STATE_TABLE), () => chance.now());
const hint = hinter(queue);
const notifications = notificationStore(database);
/** Hints about what a commit has to tell; the dispatcher finds whatever is missed here. */
const tell = async (subjectIds: readonly string[]): Promise<void> => {
  for (const notificationId of await notifications.fresh(subjectIds).catch(() => [])) await hint({ notificationId });
};
const limits = connectLimiter('acme', process.env);
const defaultProfile = settings.ACME_DEFAULT_PROFILE === '' ? undefined : settings.ACME_DEFAULT_PROFILE;

const spent = nonces(dynamodb, { nonces: settings.NONCE_TABLE, state: settings.STATE_TABLE }, sealed, chance);

const ports: AcmePorts = {
  chance,
  accounts: accountStore(database),
  // What makes a loop due announces itself before it commits.
  orders: {
    ...orders,
    beginValidation: async (...request) => {
      await wake('jobProcessor');
      return orders.beginValidation(...request);
    },
  },
  failingNames: failingNameStore(database),
  issuance: {
    ...issuance,
    beginFinalize: async (...request) => {
      await wake('jobProcessor', 'shortLivedExpiryCheck');
      return issuance.beginFinalize(...request);
    },
  },
  revocations: {
    ...revocations,
    revoke: async (revocation) => {
      await wake('jobProcessor', 'notificationProcess', 'renewalCheck');
      const revoked = await revocations.revoke(revocation);
      if (revoked !== undefined) await tell([revocation.certificate.id]);
      return revoked;
    },
  },
  renewals: renewalInfoStore(database, chance),
  stars: {
    ...stars,
    begin: async (...request) => {
      await wake('shortLivedExpiryCheck');
      return stars.begin(...request);
    },
  },
  sharedProfile: defaultProfile,
  profiles: knownProfiles(profileMirror(dynamodb, settings.STATE_TABLE), profileStore(database), chance),
  nonces: {
    ...spent,
    // Who has spent a nonce is about to do something; its audit row wants to be sealed.
    spend: async (nonce) => {
      const isSpent = await spent.spend(nonce);
      if (isSpent) await wake();
      return isSpent;
    },
  },
  limiter: limits.limiter,
  authority: authorities(issuance, sealed),
  crlShards: recentCrlShards(crlShards(database), () => chance.now()),
  alternateChains: alternateChains(crossCertificateStore(database), chance),
  unseal: (bytes, context) => sealed.unseal(bytes, context),
  hint: (jobId) => hint({ jobId }),
  publicBaseUrl: settings.PUBLIC_BASE_URL,
  pkiBaseUrl: settings.PKI_BASE_URL,
  settings: {
    openOrders: limits.counts['acme-open-orders'],
    failures: { perHour: limits.counts['acme-failed-validation'], beforePause: limits.counts['acme-pause'] },
    orderLifetime: 7 * 86_400,
    finalizeLease: 10,
  },
};
const serving: Omit<AcmeContext, 'ports'> = {
  cache: { entries: new Map(), size: 10_000 },
  enabled: settings.ACME_ENABLED,
  defaultProfile,
  renewalInfo: settings.ACME_RENEWAL_INFO,
};

/** RFC 8555 for every profile. */
export const handler = httpFunction(
  async (request) => {
    const limiter = limits.of(request);
    await limiter.take('acme-address', addressOf(request.sourceIp));
    return complete(request, await serveAcme({ ...serving, ports: { ...ports, limiter } }, request));
  },
  {
    maxBodyBytes: 64 * 1024,
    wake: (now) => database.wake(now),
    refuse: async (error, request) => {
      const problem = problemOf(error);
      logRefusal(error, request, problem.status);
      return request === undefined ? problem : complete(request, problem);
    },
  },
);

/** What every answer carries but the directory's (RFC 8555 §§6.5, 7.1). */
async function complete(request: HttpRequest, response: HttpResponse): Promise<HttpResponse> {
  await seals.asked();
  const cors = {
    'access-control-allow-origin': '*',
    'access-control-expose-headers':
      'Location, Link, Replay-Nonce, Retry-After, Cert-Not-Before, Cert-Not-After, RateLimit, RateLimit-Policy',
  };
  const { profileId, rest } = splitPath(request.path, serving.defaultProfile);
  if (rest.startsWith('/renewal-info/')) return { ...response, headers: { 'cache-control': 'no-store', ...response.headers, ...cors } };
  if (rest === '/directory' && response.status === 200 && request.method !== 'POST')
    return { ...response, headers: { ...response.headers, ...cors } };
  // What is no profile's must not get into a header field.
  const directory =
    profileId === undefined || !isProfileId(profileId)
      ? `${settings.PUBLIC_BASE_URL}/acme/directory`
      : acmeUrls(settings.PUBLIC_BASE_URL, profileId).directory;
  const index = `<${directory}>;rel="index"`;
  const link = response.headers?.['link'];
  const linked = { ...response.headers, ...cors, link: link === undefined ? index : `${link}, ${index}` };
  // What caches may keep (RFC 8739 §4.3) carries nothing that is good once.
  if (rest.startsWith('/star/') && request.method !== 'POST') return { ...response, headers: { 'cache-control': 'no-store', ...linked } };
  return { ...response, headers: { ...linked, 'cache-control': 'no-store', ...(await freshNonce()) } };
}

async function freshNonce(): Promise<Readonly<Record<string, string>>> {
  try {
    return { 'replay-nonce': await ports.nonces.issue() };
  } catch (error) {
    log.error('no nonce could be made', { error: error as Error });
    return {};
  }
}
