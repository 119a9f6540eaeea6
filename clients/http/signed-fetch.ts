import type { SignatureV4 } from '@smithy/signature-v4';
import type { Connection } from './call.ts';
import { UsageError } from './usage-error.ts';

const service = 'execute-api';
const amazonsName = /\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/;

/**
 * A `fetch` that signs what it sends (SigV4) as the AWS identity that the SDKs' default chain finds: environment, shared files, single sign-on, the role of
 * a container or an instance. The region is the one in Amazon's name of the API, else the SDKs' own.
 *
 * @see {@link https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html} Signature Version 4
 */
export function signedFetch(): Connection['fetch'] {
  let signer: Promise<SignatureV4> | undefined;
  return async (url, init) => {
    const { protocol, host, hostname, pathname, searchParams } = new URL(url);
    signer ??= makeSigner(hostname);
    const query: Record<string, string[]> = {};
    for (const [name, value] of searchParams) (query[name] ??= []).push(value);
    const headers = { ...Object.fromEntries(new Headers(init.headers)), host };
    const sent = { method: init.method ?? 'GET', protocol, hostname, path: pathname, query, headers, body: init.body ?? undefined };
    const signed = await (await signer).sign(sent).catch((error: unknown) => {
      throw new UsageError(`there is no AWS identity to sign with: ${(error as Error).message}`, { cause: error });
    });
    // A space is %20 in what is signed, so it must not be a plus in what is sent.
    const asked = Object.entries(query).flatMap(([name, values]) =>
      values.map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
    );
    const { host: _, ...rest } = signed.headers;
    return fetch(`${protocol}//${host}${pathname}${asked.length === 0 ? '' : `?${asked.join('&')}`}`, { ...init, headers: rest });
  };
}

/** The libraries are loaded by who signs, and by nobody else. @throws {UsageError} without a region */
async function makeSigner(hostname: string): Promise<SignatureV4> {
  const [{ SignatureV4 }, { Sha256 }, { fromNodeProviderChain }, config] = await Promise.all([
    import('@smithy/signature-v4'),
    import('@smithy/core/checksum'),
    import('@aws-sdk/credential-providers'),
    import('@smithy/core/config'),
  ]);
  const ownRegion = config.loadConfig(config.NODE_REGION_CONFIG_OPTIONS, config.NODE_REGION_CONFIG_FILE_OPTIONS);
  const region =
    amazonsName.exec(hostname)?.[1] ??
    (await ownRegion().catch(() => {
      throw new UsageError('say in AWS_REGION where the platform is: its region is part of what is signed');
    }));
  return new SignatureV4({ service, region, credentials: fromNodeProviderChain(), sha256: Sha256 });
}
