import { generateKeyPairSync, randomInt } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { api, request, startPlatform, type Answer, type Platform } from '../platform.ts';
import { childrenOf } from '../process-tree.ts';
import { acmeClient, freshName, type AcmeClient } from './client.ts';

// Mutates the traffic of clients against a platform of its own: `node test/acme/mutation.ts --minutes 10`. What it finds becomes a test; the dice are not
// kept, the request is printed.

const { values: flags } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, clients: { type: 'string', default: '4' } } });
const [minutes, clients] = [Number(flags.minutes), Number(flags.clients)];
if (!(minutes > 0) || !(clients >= 1)) throw new Error('--minutes and --clients must be positive');

const chance = (part: number): boolean => Math.random() < part;
const pick = <T>(list: readonly T[]): T => list[randomInt(list.length)] as T;

let deep: unknown = 'bottom';
for (let level = 0; level < 500; level++) deep = [deep];
const strange: readonly unknown[] = [
  null, true, false, 0, -1, 1e308, 2 ** 53, '', ' ', '\u0000', '\ud800', 'é', '😀', 'a'.repeat(5000), '../..', '%00', "' OR 1=1 --", '*.', '*.*.x.y', '::',
  '[::1]', '127.0.0.1', '9999-12-31T23:59:60Z', [], {}, [[]], { type: 'dns' }, [null], deep, { __proto__: null, constructor: 1 },
]; // prettier-ignore

/** The same with one node that is gone, strange, somewhere else or twice. */
function mutated(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || chance(0.2)) {
    if (typeof value === 'string' && chance(0.5)) return editedText(value);
    return pick(strange);
  }
  if (Array.isArray(value)) {
    const at = randomInt(value.length + 1);
    const list = value as readonly unknown[];
    if (chance(0.3)) return [...list, ...list];
    return [...list.slice(0, at), ...(chance(0.3) ? [] : [mutated(list[at])]), ...list.slice(at + 1)];
  }
  const names = Object.keys(value);
  const name =
    chance(0.1) || names.length === 0 ? pick(['crit', 'b64', 'x5u', 'kid', 'jwk', 'profile', 'replaces', 'status']) : pick(names);
  const { [name]: old, ...rest } = value as Record<string, unknown>;
  return chance(0.2) ? rest : { ...rest, [name]: mutated(old) };
}

function editedText(text: string): string {
  const at = randomInt(text.length + 1);
  return pick([
    text.slice(0, at),
    text.slice(at),
    text.slice(0, at) + pick(['\u0000', '=', '.', '/', '%', 'A', '-', '😀']) + text.slice(at),
    text + text,
    text.toUpperCase(),
  ]);
}

interface Found {
  readonly status: number;
  readonly what: string;
}
const statuses = new Map<number, number>();
const bad: Found[] = [];

/** Sends a request of a client, mostly with something wrong in one of its layers. */
async function send(client: AcmeClient, url: string, payload?: unknown): Promise<Answer> {
  const layer = chance(0.15) ? 'none' : pick(['payload', 'payload', 'payload', 'header', 'envelope', 'body', 'path', 'type']);
  const sent = layer === 'payload' ? mutated(payload) : payload;
  const header = layer === 'header' ? (mutated({ alg: 'ES256', url, nonce: await client.nonce() }) as object) : {};
  const jws = await client.jws(url, sent, { header: { ...header } });
  let body = JSON.stringify(layer === 'envelope' ? mutated(jws) : jws);
  if (layer === 'body') body = editedText(body);
  const target = layer === 'path' ? `${platform.url}/${encodeURI(editedText(new URL(url).pathname.slice(1)))}` : url;
  const type =
    layer === 'type' ? pick(['application/json', 'text/plain', 'application/jose+json; charset=x', '']) : 'application/jose+json';
  const answer = await request(platform, target, {
    method: chance(0.03) ? pick(['GET', 'PUT', 'HEAD']) : 'POST',
    headers: { 'content-type': type },
    body,
  });
  note(answer, `${layer} ${target} ${shown(sent)} ${body.slice(0, 2000)}`);
  return answer;
}

function shown(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value).slice(0, 2000);
}

function note(answer: Answer, what: string): void {
  statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
  if (answer.status >= 500) bad.push({ status: answer.status, what: `${answer.text.slice(0, 300)} for ${what}` });
}

const listed = (answer: Answer, name: string): readonly string[] => {
  try {
    return (answer.json()[name] ?? []) as readonly string[];
  } catch {
    return [];
  }
};

/** One client's life, with things going wrong all along. */
async function live(profile: string): Promise<void> {
  const client = await acmeClient(platform, { profile });
  await send(client, String(client.directory['newAccount']), { termsOfServiceAgreed: true, contact: ['mailto:a@example.com'] });
  await client.register();
  const name = freshName();
  for (let order = 0; order < 3; order++) {
    const identifiers = [
      { type: 'dns', value: name },
      { type: 'dns', value: `a.${name}`, ancestorDomain: name },
      { type: 'ip', value: '192.0.2.7' },
    ];
    const now = new Date().toISOString();
    await send(client, String(client.directory['newOrder']), { identifiers, notBefore: now, profile, replaces: 'a.b' });
    const renewal = {
      'auto-renewal': {
        'end-date': new Date(Date.now() + 3_600_000).toISOString(),
        lifetime: 60,
        'lifetime-adjust': 60,
        'allow-certificate-get': true,
      },
    };
    await send(client, String(client.directory['newOrder']), { identifiers, ...renewal });
    const placed = await client.post(String(client.directory['newOrder']), {
      identifiers: identifiers.slice(0, 2),
      ...(order === 2 && renewal),
    });
    note(placed, 'newOrder');
    const url = placed.headers['location'];
    if (placed.status !== 201 || url === undefined) continue;
    await send(client, url);
    for (const authorization of listed(placed, 'authorizations')) {
      await send(client, authorization);
      await send(client, `${authorization.replace('/authz/', '/challenge/')}.dns-01`, {});
      if (chance(0.3)) await send(client, authorization, { status: 'deactivated' });
    }
    const { csr } = makeCsr([name, `a.${name}`]);
    const spoilt = Buffer.from(csr);
    spoilt[randomInt(spoilt.length)] = randomInt(256);
    await send(client, `${url}/finalize`, { csr: pick([csr, spoilt]).toString('base64url') });
    const read = await client.post(url);
    note(read, 'order');
    const star = read.json()['star-certificate'];
    if (typeof star === 'string') {
      await Promise.all([send(client, star), send(client, star)]);
      note(await request(platform, chance(0.5) ? star : `${star.slice(0, -22)}${encodeURI(editedText(star.slice(-22)))}`), `GET ${star}`);
      await send(client, url, { status: 'canceled' });
      await send(client, star);
    } else if (read.json()['status'] === 'valid') {
      const certificate = await client.post(String(read.json()['certificate']));
      await send(client, String(read.json()['certificate']));
      const der = /-----BEGIN CERTIFICATE-----\n([\s\S]*?)-----END/.exec(certificate.text)?.[1]?.replace(/\s/g, '') ?? '';
      await send(client, String(client.directory['revokeCert']), {
        certificate: Buffer.from(der, 'base64').toString('base64url'),
        reason: 4,
      });
    }
  }
  const next = await acmeClient(platform, { profile, key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey });
  const inner = await next.jws(String(client.directory['keyChange']), { account: client.kid, oldKey: client.jwk }, { without: ['nonce'] });
  await send(client, String(client.directory['keyChange']), inner);
  await send(client, `${client.kid}/orders`);
  for (const path of [
    'renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE',
    'unpause/00000000-0000-0000-0000-000000000000',
    'directory?x=1',
  ]) {
    const at = `${platform.url}/acme/profile/${profile}/${encodeURI(editedText(path))}`;
    note(await request(platform, at), at);
  }
  await send(client, client.kid, { contact: ['mailto:b@example.com'], status: 'deactivated' });
}

/** Bytes that the platform's processes hold. */
function memory(): number {
  const all = [platform.process.pid ?? 0, ...childrenOf(platform.process.pid ?? 0)];
  return all
    .map((pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024)
    .reduce((sum, bytes) => sum + bytes, 0);
}

const platform: Platform = await startPlatform({ env: { LIMIT_OPEN_ORDERS: '1000000' } });
let failed = false;
try {
  const fields = { subdomain_auth_allowed: true, allowed_names: ['.localhost'], caa_identities: [] };
  const renewing = { validity_seconds: 600, auto_renewal: { min_lifetime: 60, max_duration: 86_400, allow_certificate_get: true } };
  const profiles = [
    { ...fields, id: 'proving', name: 'Proving' },
    { ...fields, id: 'trusting', name: 'Trusting', acme_auth_mode: 'trust_authenticated', acknowledge_trust: true, ...renewing },
  ];
  for (const profile of profiles) {
    const { status, text } = await api(platform, 'POST', '/api/v1/profiles', profile);
    if (status !== 201) throw new Error(text);
  }
  const [began, end] = [Date.now(), Date.now() + minutes * 60_000];
  let settled = 0;
  const work = async (): Promise<void> => {
    while (Date.now() < end) {
      await live(pick(profiles).id);
      if (settled === 0 && Date.now() > began + (end - began) / 4) settled = memory();
    }
  };
  await Promise.all(Array.from({ length: clients }, work));
  const grown = memory();
  const logs = readdirSync(join(platform.home, 'log')).map((file) => readFileSync(join(platform.home, 'log', file), 'utf8'));
  const unhandled = [...logs, platform.output()].flatMap(
    (text) => text.match(/^.*(?:unhandled|UnhandledPromiseRejection|uncaught).*$/gim) ?? [],
  );
  console.log(
    `requests by status: ${[...statuses]
      .sort()
      .map(([status, count]) => `${status}: ${count}`)
      .join(', ')}`,
  );
  console.log(`memory: ${Math.round(settled / 1e6)} MB after a quarter, ${Math.round(grown / 1e6)} MB at the end`);
  for (const { status, what } of bad.slice(0, 20)) console.log(`${status} ${what}`);
  for (const line of unhandled.slice(0, 20)) console.log(line);
  failed = bad.length > 0 || unhandled.length > 0 || grown > settled * 1.5;
} finally {
  await platform.stop();
}
process.exitCode = failed ? 1 : 0;
