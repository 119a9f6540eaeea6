import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type * as z from 'zod';
import type { NameResolver } from '#adapters/dns/resolver.ts';
import { awsAcm } from '#connectors/targets/aws-acm/aws-acm.ts';
import type { About } from '#connectors/targets/change.ts';
import { parseConfig } from '#connectors/targets/config.ts';
import { atAddress, type Endpoint, type Verify } from '#connectors/targets/endpoint.ts';
import { failureOf, safeDetail, TargetFailure } from '#connectors/targets/failure.ts';
import { firstFingerprint, readMaterial, type Material } from '#connectors/targets/material.ts';
import type { HostRules } from '#connectors/targets/target.ts';
import { look as lookAt, prevailing } from '#connectors/targets/look.ts';
import { verifyServed, type ExpectedCertificate } from '#connectors/targets/verification.ts';
import { makeCsr } from '#domain/agent/make-csr.ts';
import { makeLeafKey } from '#domain/agent/make-key.ts';
import type { connectorAnswer, ConnectorCall } from '#domain/connector/call.ts';
import { judgeAddress } from '#domain/probe/address-policy.ts';

/** What the connector has for targets that need no host. */
export interface CloudPorts {
  seal(key: Uint8Array, id: string): Promise<Uint8Array>;
  unseal(sealed: Uint8Array, id: string): Promise<Uint8Array>;
  readonly resolver: NameResolver;
  /** The local host's way to servers on its own machine; never set by the CDK app. */
  readonly door: { readonly suffix: string; readonly address: string } | undefined;
}

type Call<Kind> = Extract<ConnectorCall, { kind: Kind }>;
type Answer = z.output<typeof connectorAnswer>;
type Deployed = Extract<Answer, { deployed: object }>['deployed'];
type Inspected = Extract<Answer, { inspected: object }>['inspected'];

// The platform waits for less than a minute; what takes longer is looked at by the next attempt.
const longestLookSeconds = 20;

/** A new key as its seal, and the CSR that it signed. The key leaves this function in no other form. */
export async function makeSealedKey(
  ports: CloudPorts,
  { keyId, algorithm, commonName, names, mustStaple }: Call<'make-key'>,
): Promise<{ readonly csr: string; readonly sealedKey: string }> {
  const key = await makeLeafKey(algorithm);
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' });
  try {
    const csr = makeCsr(key, { commonName: commonName ?? undefined, names, mustStaple });
    return { csr: csr.toString('base64'), sealedKey: Buffer.from(await ports.seal(pkcs8, keyId)).toString('base64') };
  } finally {
    pkcs8.fill(0);
  }
}

/**
 * Puts a version where its target is. What is there already is not put there again; whatever it did, doing it once more does no harm. Never throws for what the
 * target says.
 */
export async function deployToCloud(ports: CloudPorts, call: Call<'deploy'>): Promise<Deployed> {
  const started = performance.now();
  const about = { targetId: call.target.id, certificateId: call.certificateId, reference: call.target.reference ?? undefined };
  const outcome = await (call.key === null ? stillThere(ports, call, about) : put(ports, call, call.key, about)).catch(
    (error: unknown): Outcome => refused(failureOf(error, 'connector')),
  );
  return {
    ok: outcome.failure === undefined,
    idempotent: outcome.idempotent ?? false,
    rolledBack: outcome.rolledBack ?? false,
    failureClass: outcome.failure?.failureClass ?? null,
    detail: safeDetail(outcome.failure?.message ?? outcome.detail ?? '') || null,
    observed: outcome.observed ?? null,
    reference: outcome.reference ?? null,
    durationMs: Math.round(performance.now() - started),
  };
}

interface Outcome {
  readonly failure?: TargetFailure;
  readonly idempotent?: boolean;
  readonly rolledBack?: boolean;
  readonly detail?: string | undefined;
  readonly observed?: string | undefined;
  readonly reference?: string | undefined;
}

function refused(failure: TargetFailure): Outcome {
  return { failure };
}

/** Its key is gone since it was verified: either it is still there, or another key is needed. */
async function stillThere(ports: CloudPorts, { leaf, chain, target }: Call<'deploy'>, about: About): Promise<Outcome> {
  const config = parseConfig(awsAcm.config, target.config);
  const certificate = new X509Certificate(leaf);
  const expected = expectedOf(certificate, chain);
  if ((await awsAcm.stored?.(config, rulesOf(ports, []), about.reference)) !== expected.fingerprint)
    return refused(new TargetFailure('key_mismatch', 'the key of this version was destroyed after it was verified: it takes a new one'));
  return { idempotent: true, reference: config.certificate_arn ?? about.reference };
}

async function put(ports: CloudPorts, call: Call<'deploy'>, key: NonNullable<Call<'deploy'>['key']>, about: About): Promise<Outcome> {
  const config = parseConfig(awsAcm.config, call.target.config);
  const material = await unsealed(ports, call, key);
  const change = await awsAcm.begin(config, material, rulesOf(ports, call.earlierKeys), about);
  const idempotent = await change.holds();
  if (!idempotent) {
    await change.stage();
    await change.commit();
  }
  const reached = (): Pick<Outcome, 'reference'> => ({ reference: change.reference?.() });
  try {
    await change.check();
    const observed = change.isServed === false ? undefined : await look(ports, config.verify, material);
    const unseen = change.isServed === false && config.verify !== 'off' ? 'not looked at over TLS: nothing serves it yet' : undefined;
    const detail = [unseen, change.note?.()].filter((text) => text !== undefined).join('; ');
    return { idempotent, detail, observed, ...reached() };
  } catch (error) {
    const failure = failureOf(error, 'verify');
    if (!call.last) return { failure, ...reached() };
    return { ...(await rollBack(() => change.restore(), failure, change.replaces)), ...reached() };
  }
}

async function rollBack(restore: () => Promise<void>, failure: TargetFailure, replaces: boolean): Promise<Outcome> {
  try {
    await restore();
    return { failure, rolledBack: replaces };
  } catch (error) {
    const { failureClass, message } = failureOf(error, 'rollback_failed');
    const of = failureClass === 'rollback_impossible' ? failureClass : 'rollback_failed';
    return refused(new TargetFailure(of, `${failure.message}; ${message}`));
  }
}

/** What is there, and whether a deployment could be made. */
export async function inspectCloud(ports: CloudPorts, { target, keyType }: Call<'inspect'>): Promise<Inspected> {
  const reference = target.reference ?? undefined;
  const rules = rulesOf(ports, []);
  try {
    const config = parseConfig(awsAcm.config, target.config);
    await awsAcm.probe?.(config, rules, reference);
    if (config.verify !== 'off') {
      const endpoint = await publicEndpoint(ports, config.verify);
      const seen = prevailing(endpoint, await lookAt(endpoint, keyType ?? undefined), []);
      if (seen !== undefined) return { ...ready, observation: { source: 'served', fingerprint: seen.fingerprint, ...none } };
    }
    const fingerprint = await awsAcm.stored?.(config, rules, reference);
    return {
      ...ready,
      observation: fingerprint === undefined ? { source: 'empty' } : { source: 'stored', fingerprint, ...none },
    };
  } catch (error) {
    const { failureClass, message } = failureOf(error, 'connector');
    return { ready: false, failureClass, detail: safeDetail(message), observation: { source: 'none' } };
  }
}

const none = { serial: null, notAfter: null } as const;
const ready = { ready: true, failureClass: null, detail: null } as const;

async function unsealed(ports: CloudPorts, { leaf, chain }: Call<'deploy'>, key: NonNullable<Call<'deploy'>['key']>): Promise<Material> {
  return readMaterial(leaf, chain, await pemOf(ports, key), new Date());
}

async function pemOf(ports: CloudPorts, { id, sealed }: NonNullable<Call<'deploy'>['key']>): Promise<string> {
  const pkcs8 = Buffer.from(await ports.unseal(Buffer.from(sealed, 'base64'), id));
  try {
    return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' }).toString();
  } finally {
    pkcs8.fill(0);
  }
}

/** No host, hence none of a host's rules: what the function's role may do is all that it may. */
function rulesOf(ports: CloudPorts, earlier: Call<'deploy'>['earlierKeys']): HostRules {
  return {
    allowedPaths: [],
    allowedCommands: [],
    stateDir: '',
    backupRetention: 0,
    secret: async () => undefined,
    keyOf: async (_certificateId, leafPem) => {
      const spki = new X509Certificate(leafPem).publicKey.export({ format: 'der', type: 'spki' });
      const digest = createHash('sha256').update(spki).digest('hex');
      const key = earlier.find(({ spkiSha256 }) => spkiSha256 === digest);
      return key && pemOf(ports, key);
    },
  };
}

function expectedOf(leaf: X509Certificate, chainPem: string): ExpectedCertificate {
  const chain = (chainPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => firstFingerprint(pem) ?? '',
  );
  return {
    fingerprint: firstFingerprint(leaf.toString()) ?? '',
    chainFingerprints: chain,
    keyType: leaf.publicKey.asymmetricKeyType ?? '',
  };
}

/** @throws {TargetFailure} `verify` when the endpoint shows another certificate */
async function look(ports: CloudPorts, verify: Verify, expected: ExpectedCertificate): Promise<string | undefined> {
  if (verify === 'off') return undefined;
  const endpoint = await publicEndpoint(ports, verify);
  const { verified, actualFingerprint, reason } = await verifyServed(
    { ...endpoint, within: Math.min(endpoint.within, longestLookSeconds) },
    expected,
  );
  if (!verified) throw new TargetFailure('verify', reason ?? 'not verified');
  return actualFingerprint;
}

/**
 * The endpoint by its address, which is judged as a challenge's is: an operator's mistake, or malice, leads to nothing inside.
 *
 * @throws {TargetFailure} `verify`
 */
async function publicEndpoint({ resolver, door }: CloudPorts, endpoint: Endpoint): Promise<Endpoint> {
  const { host } = endpoint;
  if (door !== undefined && host.endsWith(door.suffix)) return atAddress(endpoint, door.address);
  const addresses = isIP(host) === 0 ? await resolver.addresses(host).catch(() => []) : [host];
  const [address] = addresses;
  if (address === undefined) throw new TargetFailure('verify', `${host} has no address`);
  if (addresses.some((one) => judgeAddress(one, []) === 'forbidden'))
    throw new TargetFailure('verify', `${host} leads to an address that must not be reached`);
  return atAddress(endpoint, address);
}
