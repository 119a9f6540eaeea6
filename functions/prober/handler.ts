import { createHash } from 'node:crypto';
import * as z from 'zod';
import { nameResolver } from '#adapters/dns/resolver.ts';
import { validateTlsAlpn } from '#adapters/tls/tls-alpn01.ts';
import { assertKeyAuthorization, fetchKeyAuthorization, isBehind } from '#adapters/http/http01.ts';
import { accountLabel } from '#domain/probe/account-label.ts';
import { caaRefusal, relevantCaa } from '#domain/probe/caa.ts';
import { provenUntil } from '#domain/probe/persistent-record.ts';
import { printable, probe, ProbeError, type Probe, type ProbeResult } from '#domain/probe/probe.ts';
import { isDnsName } from '#domain/x509/dns-name.ts';
import { canonicalIp } from '#domain/x509/ip-address.ts';

const door = z.strictObject({
  suffix: z.string().startsWith('.'),
  ip: z.string().optional(),
  address: z.string(),
  http01Port: z.number().int().positive(),
  tlsAlpn01Port: z.number().int().positive(),
});
const environment = z.object({
  /** Comma-separated `host:port`; empty: the system's resolvers. */
  DNS_RESOLVERS: z.string().default(''),
  PROBER_DOOR: z.string().optional(),
  /** The addresses that this network reaches. */
  PROBER_FAMILY: z.enum(['4', '6']).default('4'),
});

const settings = environment.parse(process.env);
const resolver = nameResolver(
  settings.DNS_RESOLVERS.split(',').filter((server) => server !== ''),
  settings.PROBER_FAMILY === '6' ? 6 : 4,
);
const opened = settings.PROBER_DOOR === undefined ? undefined : door.parse(JSON.parse(settings.PROBER_DOOR));

/** The one function that dials an address chosen by a stranger: it holds no secret, no database and no permission. */
export async function handler(event: unknown): Promise<ProbeResult> {
  const asked = probe.parse(event);
  try {
    assertIdentifier(asked.identifier);
    const until = await validations[asked.type](asked);
    await assertCaa(asked);
    return { ok: true, ...(until !== undefined && { until: Math.floor(until.getTime() / 1000) }) };
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    return { ok: false, code: error.code, detail: error.message, final: error.final, ...(error.onlyIpv6 && { onlyIpv6: true }) };
  }
}

const validations: Readonly<Record<Probe['type'], (asked: Probe) => Promise<Date | undefined>>> = {
  'http-01': http01,
  'dns-01': (asked) => dns01(asked, '_acme-challenge'),
  'dns-account-01': (asked) => dns01(asked, `${accountLabel(given(asked.accountUri))}._acme-challenge`),
  'dns-persist-01': dnsPersist01,
  'tls-alpn-01': async (asked) => {
    await validateTlsAlpn(resolver, {
      identifier: asked.identifier,
      keyAuthorization: asked.keyAuthorization,
      allowedCidrs: asked.allowedCidrs,
      door: opened,
    });
    return undefined;
  },
};

function assertIdentifier({ type, value }: Probe['identifier']): void {
  if (type === 'dns' ? isDnsName(value) : canonicalIp(value) === value) return;
  throw new ProbeError('dns', 'not a dns name or address', { final: true });
}

/** Names behind the door are in no zone that could have CAA records; addresses have none at all (RFC 8738 §7). */
async function assertCaa({ caa, identifier, type }: Probe): Promise<void> {
  if (caa === undefined || identifier.type === 'ip' || isBehind(opened, identifier.value)) return;
  const records = await relevantCaa(caa.name ?? identifier.value, (name) => resolver.caa(name));
  const refusal = caaRefusal(records, { ...caa, method: type });
  if (refusal !== undefined) throw new ProbeError('caa', refusal, { final: true });
}

async function http01(asked: Probe): Promise<undefined> {
  const body = await fetchKeyAuthorization(resolver, {
    name: asked.identifier.value,
    token: asked.token,
    allowedCidrs: asked.allowedCidrs,
    door: opened,
  });
  assertKeyAuthorization(body, asked.keyAuthorization);
}

/** @param prefix of the name whose TXT records are asked for */
async function dns01(asked: Probe, prefix: string): Promise<undefined> {
  assertNoAddress(asked);
  const expected = createHash('sha256').update(asked.keyAuthorization).digest('base64url');
  const texts = await resolver.texts(`${prefix}.${asked.identifier.value}`);
  if (texts.includes(expected)) return;
  const seen = texts
    .slice(0, 3)
    .map((text) => `"${printable(text)}"`)
    .join(', ');
  throw new ProbeError('incorrectResponse', `no TXT record is "${expected}"; there is ${seen}${texts.length > 3 ? ' and more' : ''}`);
}

async function dnsPersist01(asked: Probe): Promise<Date | undefined> {
  assertNoAddress(asked);
  const { value: name } = asked.identifier;
  return provenUntil(await resolver.texts(`_validation-persist.${name}`), { ...given(asked.persistent), name }, Date.now());
}

function assertNoAddress({ identifier, type }: Probe): void {
  if (identifier.type === 'ip') throw new ProbeError('dns', `an address is not proven by ${type} (RFC 8738 §3)`, { final: true });
}

/** What the worker owes a type of challenge. */
function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the probe lacks what its type needs');
  return value;
}
