import { X509Certificate } from 'node:crypto';
import { expect } from 'vitest';
import type { CertificateManagerService, Imported } from '../fakes/certificate-manager.ts';
import type { SecurityTokens } from '../fakes/security-tokens.ts';
import { otherSettings, region } from '../other-settings.ts';
import { api, rowsOf, startPlatform, until, type Platform } from '../platform.ts';
import { order } from './agent-jobs.ts';

/** A platform whose connector may import certificates into a stand-in of ACM. @param sts which gives the sessions of roles */
export function platformWithAcm(acm: CertificateManagerService, sts?: Pick<SecurityTokens, 'url'>): Promise<Platform> {
  return startPlatform({ args: otherSettings, env: { AWS_ENDPOINT_URL_ACM: acm.url, ...(sts && { AWS_ENDPOINT_URL_STS: sts.url }) } });
}

/** A target that the connector deploys to. */
export async function acmTarget(platform: Platform, name: string, config: object = {}, more: object = {}): Promise<string> {
  const body = { name, type: 'aws_acm', agent: 'agent-connector', config: { region, verify: 'off', ...config }, ...more };
  const answer = await api(platform, 'POST', '/api/v1/targets', body);
  expect([answer.status, answer.text]).toEqual([201, expect.stringContaining(name)]);
  return answer.json()['id'] as string;
}

/** Every certificate in ACM that a target made. */
export const ofTarget = (acm: CertificateManagerService, target: string): Imported[] =>
  [...acm.certificates.values()].filter(({ tags }) => tags.get('certctl:target') === target);

export const fingerprintOf = (pem: string): string => new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();

export interface DeploymentRow {
  readonly status: string;
  readonly reason: string;
  readonly failure_class: string | null;
  readonly detail: string | null;
  readonly idempotent: boolean | null;
  readonly rolled_back: boolean | null;
}

/** The deployments of a certificate, oldest first. */
export const deploymentsOf = (platform: Platform, certificate: string): Promise<readonly DeploymentRow[]> =>
  rowsOf<DeploymentRow>(
    platform,
    `SELECT j.status, d.reason, d.failure_class, d.detail, d.idempotent, d.rolled_back FROM deployments d JOIN jobs j ON j.subject_id = d.id
     WHERE d.certificate_id = $1 ORDER BY d.created_at`,
    [certificate],
  );

/** Waits until the newest of so many deployments has ended. */
export const ended = (platform: Platform, certificate: string, count: number): Promise<DeploymentRow> =>
  until(`deployment ${count} has ended`, async () => {
    const all = await deploymentsOf(platform, certificate);
    const last = all.at(-1);
    return all.length === count && last !== undefined && ['completed', 'failed'].includes(last.status) ? last : undefined;
  });

export interface SealRow {
  readonly id: string;
  readonly sealed: boolean;
  readonly destroyed: boolean;
}

/** The keys that were made for a certificate, oldest first. */
export const sealsOf = (platform: Platform, certificate: string): Promise<readonly SealRow[]> =>
  rowsOf<SealRow>(
    platform,
    `SELECT k.id, k.sealed IS NOT NULL AS sealed, k.destroyed_at IS NOT NULL AS destroyed FROM sealed_keys k JOIN certificate_holders h ON h.id = k.holder_id
     WHERE h.certificate_id = $1 ORDER BY k.made_at`,
    [certificate],
  );

/** A certificate for one target, deployed. */
export async function deployedByConnector(
  platform: Platform,
  acm: CertificateManagerService,
  name: string,
  config: object = {},
  more: object = {},
): Promise<{ readonly target: string; readonly certificate: string; readonly at: Imported }> {
  const target = await acmTarget(platform, name, config, more);
  const { id } = await order(platform, name, [target]);
  expect(await ended(platform, id, 1)).toMatchObject({ status: 'completed', reason: 'issued' });
  const [at, ...others] = ofTarget(acm, target);
  expect(others).toEqual([]);
  return { target, certificate: id, at: at! };
}
