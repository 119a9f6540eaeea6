import { createHash } from 'node:crypto';
import * as z from 'zod';
import { nameResolver } from '#adapters/dns/resolver.ts';
import { assertKeyAuthorization, fetchKeyAuthorization } from '#adapters/http/http01.ts';
import { printable, probe, ProbeError, type Probe, type ProbeResult } from '#domain/probe/probe.ts';
import { isDnsName } from '#domain/x509/dns-name.ts';

const door = z.strictObject({
  suffix: z.string().startsWith('.'),
  address: z.string(),
  http01Port: z.number().int().positive(),
  tlsAlpn01Port: z.number().int().positive(),
});
const environment = z.object({
  /** Comma-separated `host:port`; empty: the system's resolvers. */
  DNS_RESOLVERS: z.string().default(''),
  PROBER_DOOR: z.string().optional(),
});

const settings = environment.parse(process.env);
const resolver = nameResolver(settings.DNS_RESOLVERS.split(',').filter((server) => server !== ''));
const opened = settings.PROBER_DOOR === undefined ? undefined : door.parse(JSON.parse(settings.PROBER_DOOR));

/** The one function that dials an address chosen by a stranger: it holds no secret, no database and no permission. */
export async function handler(event: unknown): Promise<ProbeResult> {
  const asked = probe.parse(event);
  try {
    if (!isDnsName(asked.identifier.value)) throw new ProbeError('dns', 'not a dns name', { final: true });
    await (asked.type === 'http-01' ? http01(asked) : dns01(asked));
    return { ok: true };
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    return { ok: false, code: error.code, detail: error.message, final: error.final };
  }
}

async function http01(asked: Probe): Promise<void> {
  const body = await fetchKeyAuthorization(resolver, {
    name: asked.identifier.value,
    token: asked.token,
    allowedCidrs: asked.allowedCidrs,
    door: opened,
  });
  assertKeyAuthorization(body, asked.keyAuthorization);
}

async function dns01(asked: Probe): Promise<void> {
  const expected = createHash('sha256').update(asked.keyAuthorization).digest('base64url');
  const texts = await resolver.texts(`_acme-challenge.${asked.identifier.value}`);
  if (texts.includes(expected)) return;
  const seen = texts
    .slice(0, 3)
    .map((text) => `"${printable(text)}"`)
    .join(', ');
  throw new ProbeError('incorrectResponse', `no TXT record is "${expected}"; there is ${seen}${texts.length > 3 ? ' and more' : ''}`);
}
