import type { Options } from './options.ts';

/** What every function finds in its environment besides what the template says. */
export function environmentOfAll(
  options: Pick<Options, 'doorIp' | 'doorHttp01Port' | 'doorTlsAlpn01Port' | 'dnsResolvers'>,
  endpoint: string,
): Record<string, string> {
  // Limits, and services of AWS that are real, or played by somebody else.
  const handed = Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => /^(?:LIMIT_|AWS_ENDPOINT_URL_)/.test(entry[0]) && entry[1] !== undefined,
    ),
  );
  return {
    ...handed,
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    DATABASE_POOL: '8',
    // One machine plays the cloud too: what there is the network's time is here the time of its cores.
    LIMITER_TRY_MS: '2000',
    LIMITER_TOTAL_MS: '5000',
    STORE_TRY_MS: '10000',
    POWERTOOLS_LOG_LEVEL: process.env['CERTCTL_LOG_LEVEL'] ?? 'INFO',
    TZ: 'UTC',
    CONNECTOR_DOOR: JSON.stringify({ suffix: '.localhost', address: '127.0.0.1' }),
    PROBER_DOOR: JSON.stringify({
      suffix: '.localhost',
      ip: options.doorIp,
      address: '127.0.0.1',
      http01Port: options.doorHttp01Port,
      tlsAlpn01Port: options.doorTlsAlpn01Port,
    }),
    ...(options.dnsResolvers.length > 0 && { DNS_RESOLVERS: options.dnsResolvers.join(',') }),
  };
}
