import { createHash } from 'node:crypto';
import { CaError } from '#domain/error.ts';
import { accountObject, type Account } from '#domain/acme/account.ts';
import { authenticate, withAccount, type AccountRequest, type Incoming, type KeyRequest } from '#domain/acme/authenticate.ts';
import { cancelOrder } from '#domain/acme/cancel-order.ts';
import { finalizeOrder } from '#domain/acme/finalize-order.ts';
import { renewalRules } from '#domain/acme/auto-renewal.ts';
import { offersSubdomains } from '#domain/acme/ancestor-domain.ts';
import { issuerDomainNames } from '#domain/acme/issuer-domain-names.ts';
import { changeKey } from '#domain/acme/key-change.ts';
import { newAccount } from '#domain/acme/new-account.ts';
import { newOrder } from '#domain/acme/new-order.ts';
import {
  authorizationObject,
  challengeObject,
  currentAuthorization,
  currentOrder,
  orderObject,
  type Authorization,
  type Order,
} from '#domain/acme/order.ts';
import { readCertId, renewalInfo, renewalInfoObject } from '#domain/acme/renewal-info.ts';
import { readPayload } from '#domain/acme/jws.ts';
import { respondToChallenge } from '#domain/acme/respond-to-challenge.ts';
import { revokeCertificate } from '#domain/acme/revoke-certificate.ts';
import { updateAccount } from '#domain/acme/update-account.ts';
import { acmeUrls, directoryObject, type AcmeUrls } from '#domain/acme/urls.ts';
import { addressOf } from '../shared/address-of.ts';
import type { HttpRequest, HttpResponse } from '../shared/http.ts';
import { isNotModified } from '../shared/not-modified.ts';
import type { AcmeContext, Call } from './call.ts';
import { downloadCertificate, downloadStarCertificate } from './download.ts';
import { showPaused, unpauseAll } from './unpause-page.ts';

interface Route {
  readonly pattern: RegExp;
  readonly methods: Readonly<Record<string, (call: Call) => Promise<HttpResponse>>>;
}

const pageSize = 100;
const processingSeconds = '3';

const routes: readonly Route[] = [
  { pattern: /^\/directory$/, methods: { GET: directory, HEAD: directory, POST: (call) => asReader(call, directory) } },
  {
    pattern: /^\/new-nonce$/,
    methods: {
      HEAD: async () => ({ status: 200 }),
      GET: async () => ({ status: 204 }),
      POST: (call) => asReader(call, async () => ({ status: 200 })),
    },
  },
  { pattern: /^\/new-account$/, methods: { POST: postNewAccount } },
  { pattern: /^\/new-order$/, methods: { POST: (call) => asAccount(call, postNewOrder) } },
  { pattern: /^\/key-change$/, methods: { POST: (call) => asAccount(call, postKeyChange) } },
  { pattern: /^\/renewal-info\/([^/]+)$/, methods: { GET: getRenewalInfo, HEAD: getRenewalInfo } },
  { pattern: /^\/revoke-cert$/, methods: { POST: postRevokeCert } },
  { pattern: /^\/account\/([^/]+)$/, methods: { POST: (call) => asAccount(call, postAccount) } },
  { pattern: /^\/account\/([^/]+)\/orders$/, methods: { POST: (call) => asAccount(call, postOrders) } },
  { pattern: /^\/order\/([^/]+)$/, methods: { POST: (call) => asAccount(call, postOrder) } },
  { pattern: /^\/order\/([^/]+)\/finalize$/, methods: { POST: (call) => asAccount(call, postFinalize) } },
  { pattern: /^\/authz\/([^/]+)$/, methods: { POST: (call) => asAccount(call, postAuthorization) } },
  { pattern: /^\/challenge\/([^/]+)$/, methods: { POST: (call) => asAccount(call, postChallenge) } },
  { pattern: /^\/cert\/([^/]+)(?:\/([1-9]\d?))?$/, methods: { POST: (call) => asAccount(call, postCertificate) } },
  {
    pattern: /^\/star\/([\w-]{22})(?:\/([1-9]\d?))?$/,
    methods: { GET: downloadStarCertificate, HEAD: downloadStarCertificate, POST: (call) => asAccount(call, postStarCertificate) },
  },
  {
    pattern: /^\/unpause\/([0-9a-f-]{36})$/,
    methods: {
      GET: (call) => showPaused(call.ports.failingNames, call.ids[0] ?? ''),
      POST: (call) => unpauseAll(call.ports.failingNames, call.ids[0] ?? ''),
    },
  },
];

/** Which profile and resource a path names: `/acme/profile/{id}/…`, or `/acme/…` for the default profile. */
export function splitPath(
  path: string,
  defaultProfile: string | undefined,
): { readonly profileId: string | undefined; readonly rest: string } {
  const long = /^\/acme\/profile\/([^/]+)(\/.*)?$/.exec(path);
  if (long) return { profileId: long[1] ?? '', rest: long[2] ?? '' };
  return { profileId: defaultProfile, rest: path.replace(/^\/acme/, '') };
}

/** Serves one request of the ACME server (RFC 8555 §7). */
export async function serveAcme(context: AcmeContext, request: HttpRequest): Promise<HttpResponse> {
  if (!context.enabled) throw new CaError('notFound', 'no such resource');
  const { profileId, rest } = splitPath(request.path, context.defaultProfile);
  const route = routes.find((candidate) => candidate.pattern.test(rest));
  if (route === undefined) throw new CaError('notFound', 'no such resource');
  if (request.method === 'OPTIONS') return preflight(Object.keys(route.methods));
  const run = route.methods[request.method];
  if (run === undefined)
    throw new CaError('methodNotAllowed', `this resource wants ${Object.keys(route.methods).join(' or ')}`, {
      allow: Object.keys(route.methods),
    });
  if (profileId === undefined) throw new CaError('userActionRequired', 'name a profile: /acme/profile/{profile}/directory');
  const profile = await context.ports.profiles.known(profileId);
  if (!profile?.enabled) throw new CaError('notFound', 'no such profile');
  const ids = (route.pattern.exec(rest) ?? []).slice(1);
  return run({
    ...context,
    profile,
    urls: acmeUrls(context.ports.publicBaseUrl, profile.id),
    request,
    path: rest,
    ids,
    shared: !request.path.startsWith('/acme/profile/'),
  });
}

/** What may be asked (RFC 9110 §9.3.7); a browser wants to know before it posts a type that no form could send (Fetch §3.2.2). */
function preflight(methods: readonly string[]): HttpResponse {
  return {
    status: 204,
    headers: {
      allow: methods.join(', '),
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': 'Content-Type',
      'access-control-max-age': '86400',
    },
  };
}

async function directory(call: Call): Promise<HttpResponse> {
  const { profile } = call;
  const offered = call.shared ? await call.ports.profiles.selectable() : {};
  const profiles = { [profile.id]: profile.description === '' ? profile.name : profile.description, ...offered };
  const persistent = profile.authMode === 'challenge' && profile.allowedChallenges.includes('dns-persist-01');
  const body = directoryObject(call.urls, profile, {
    profiles,
    renewalInfo: call.renewalInfo,
    subdomains: offersSubdomains(profile),
    autoRenewal: renewalRules(profile),
    issuerDomainNames: persistent ? issuerDomainNames(profile) : [],
  });
  return json(200, body, { 'cache-control': 'public, max-age=60' });
}

// A revocation must reach whoever asks through a cache, too.
const maxRenewalInfoAge = 600;

/** RFC 9773 §4 */
async function getRenewalInfo(call: Call): Promise<HttpResponse> {
  if (!call.renewalInfo) throw new CaError('notFound', 'no such resource');
  const certificate = await call.ports.renewals.renewable(readCertId(call.ids[0] ?? ''));
  if (certificate === undefined) throw new CaError('notFound', 'no such certificate');
  const info = renewalInfo(certificate);
  const answer = json(200, renewalInfoObject(info));
  const etag = `"${createHash('sha256').update(String(answer.body)).digest('base64url').slice(0, 22)}"`;
  const headers = {
    'cache-control': `public, max-age=${Math.min(maxRenewalInfoAge, Math.floor(info.retryAfter / 2))}`,
    'retry-after': String(info.retryAfter),
    etag,
  };
  const seen = call.request.headers['if-none-match'];
  if (seen !== undefined && isNotModified(seen, etag)) return { status: 304, headers };
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

async function postKeyChange(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  const account = await changeKey(call.ports, signed);
  call.cache.entries.delete(account.id);
  return accountAnswer(200, account, call.urls);
}

async function postNewAccount(call: Call): Promise<HttpResponse> {
  const signed = await authenticate(call.ports, call.cache, incoming(call), 'jwk');
  const { account, created } = await newAccount(call.ports, signed);
  return accountAnswer(created ? 201 : 200, account, call.urls);
}

async function postRevokeCert(call: Call): Promise<HttpResponse> {
  const signed = await authenticate(call.ports, call.cache, incoming(call), 'either');
  if (isAccountRequest(signed)) {
    await withAccount(
      call.cache,
      signed,
      () => call.ports.accounts.account(signed.account.id),
      (request) => revokeCertificate(call.ports, request),
    );
  } else await revokeCertificate(call.ports, signed);
  return { status: 200 };
}

function isAccountRequest(signed: AccountRequest | KeyRequest): signed is AccountRequest {
  return 'account' in signed;
}

async function postAccount(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  if (call.ids[0] !== signed.account.id) throw new CaError('unauthorized', 'the kid and the URL name different accounts');
  const account = await updateAccount(call.ports, signed);
  call.cache.entries.delete(account.id);
  return accountAnswer(200, account, call.urls);
}

async function postOrders(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  if (call.ids[0] !== signed.account.id) throw new CaError('unauthorized', 'the kid and the URL name different accounts');
  postAsGet(signed);
  const cursor = new URLSearchParams(call.request.query).get('cursor') ?? undefined;
  const ids = await call.ports.orders.orderIds(signed.who, cursor, pageSize + 1);
  const page = ids.slice(0, pageSize);
  const next = ids.length > pageSize ? `<${call.urls.orders(signed.account.id)}?cursor=${page.at(-1) ?? ''}>;rel="next"` : undefined;
  return json(200, { orders: page.map((id) => call.urls.order(id)) }, next === undefined ? {} : { link: next });
}

async function postNewOrder(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  const order = await newOrder(call.ports, signed);
  return json(201, orderObject(order, call.urls), { location: call.urls.order(order.id) });
}

async function postOrder(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  const id = call.ids[0] ?? '';
  if (signed.payload.length > 0) await cancelOrder(call.ports, signed, id);
  const order = await call.ports.orders.order(signed.who, id);
  if (order === undefined) throw new CaError('notFound', 'no such order');
  return orderAnswer(call, order);
}

async function postFinalize(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  return orderAnswer(call, await finalizeOrder(call.ports, signed, call.ids[0] ?? ''));
}

function orderAnswer(call: Call, stored: Order): HttpResponse {
  const order = currentOrder(stored, call.ports.chance.now());
  const wait = order.status === 'processing' ? { 'retry-after': String(Math.min(30, 2 ** order.attempts)) } : {};
  return json(200, orderObject(order, call.urls), { location: call.urls.order(order.id), ...wait });
}

async function postAuthorization(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  const id = call.ids[0] ?? '';
  let authorization: Authorization | undefined;
  if (signed.payload.length === 0) authorization = await call.ports.orders.authorization(signed.who, id);
  else {
    if (readPayload(signed.payload)['status'] !== 'deactivated')
      throw new CaError('malformed', 'the only status that a client may set is deactivated');
    authorization = await call.ports.orders.deactivateAuthorization(signed.who, id);
  }
  if (authorization === undefined) throw new CaError('notFound', 'no such authorization');
  const current = currentAuthorization(authorization, call.ports.chance.now());
  const processing = current.challenges.some((challenge) => challenge.status === 'processing');
  return json(
    200,
    authorizationObject(current, call.urls, await issuersOf(call, current)),
    processing ? { 'retry-after': processingSeconds } : {},
  );
}

async function postChallenge(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  const { challenge, authorization } = await respondToChallenge(call.ports, signed, call.ids[0] ?? '');
  return json(200, challengeObject(challenge, call.urls, await issuersOf(call, authorization)), {
    link: `<${call.urls.authorization(authorization.id)}>;rel="up"`,
    ...(challenge.status === 'processing' && { 'retry-after': processingSeconds }),
  });
}

/** Of the profile that was ordered by, which may be another than the directory's. */
async function issuersOf({ profile, ports }: Call, { profileId }: Authorization): Promise<readonly string[]> {
  return issuerDomainNames(profileId === profile.id ? profile : ((await ports.profiles.known(profileId)) ?? profile));
}

async function postCertificate(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  postAsGet(signed);
  return downloadCertificate(call, signed);
}

async function postStarCertificate(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  postAsGet(signed);
  return downloadStarCertificate(call, signed);
}

async function asAccount(call: Call, work: (call: Call, signed: AccountRequest) => Promise<HttpResponse>): Promise<HttpResponse> {
  const signed = await authenticate(call.ports, call.cache, incoming(call), 'kid');
  return withAccount(
    call.cache,
    signed,
    () => call.ports.accounts.account(signed.account.id),
    (request) => work(call, request),
  );
}

/** Everything that can be read is read by POST-as-GET, too (RFC 8555 §6.3). */
function asReader(call: Call, read: (call: Call) => Promise<HttpResponse>): Promise<HttpResponse> {
  return asAccount(call, async (_, signed) => {
    postAsGet(signed);
    return read(call);
  });
}

function incoming(call: Call): Incoming {
  const type = (call.request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/jose+json') throw new CaError('unsupportedMediaType', 'the Content-Type must be application/jose+json');
  const query = call.request.query === '' ? '' : `?${call.request.query}`;
  return {
    profile: call.profile,
    body: call.request.body.toString('utf8'),
    path: call.path + query,
    addressKey: addressOf(call.request.sourceIp),
  };
}

/** RFC 8555 §6.3 */
function postAsGet(signed: AccountRequest): void {
  if (signed.payload.length > 0) throw new CaError('malformed', 'this resource is read with an empty payload (POST-as-GET)');
}

function accountAnswer(status: number, account: Account, urls: AcmeUrls): HttpResponse {
  return json(status, accountObject(account, urls), { location: urls.account(account.id) });
}

function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}
