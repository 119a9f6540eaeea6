import { Sha256 } from '@smithy/core/checksum';
import { SignatureV4 } from '@smithy/signature-v4';
import type { AccessKey } from '#infra/local/copy/access-keys.ts';
import { request, type Answer, type Platform } from '../platform.ts';

/** A request as it goes over the wire. */
export interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface Signing {
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** When it says that it was signed. */
  readonly at?: Date;
  readonly region?: string;
  readonly service?: string;
}

/** Signs a request as the SDKs of AWS do, by their own library. */
export async function signed(platform: Platform, key: AccessKey, method: string, path: string, how: Signing = {}): Promise<Outgoing> {
  const { protocol, host, hostname } = new URL(platform.url);
  const { accessKeyId, secretAccessKey, sessionToken } = key;
  const signer = new SignatureV4({
    service: how.service ?? 'execute-api',
    region: how.region ?? 'us-east-1',
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
    sha256: Sha256,
  });
  const body = how.body === undefined ? undefined : JSON.stringify(how.body);
  const [pathname = '', query = ''] = path.split('?');
  const { headers } = await signer.sign(
    {
      method,
      protocol,
      hostname,
      path: pathname,
      query: Object.fromEntries(new URLSearchParams(query)),
      headers: { host, ...(body !== undefined && { 'content-type': 'application/json' }), ...how.headers },
      body,
    },
    { signingDate: how.at ?? new Date() },
  );
  return { method, path, headers, body };
}

/** Sends it, and nothing that it does not say. */
export function send(platform: Platform, { method, path, headers, body }: Outgoing): Promise<Answer> {
  return request(platform, platform.url + path, { method, headers: { ...headers }, ...(body !== undefined && { body }) });
}
