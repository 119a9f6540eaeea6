import { isIP } from 'node:net';
import * as z from 'zod';
import { startTlsProtocols } from './starttls.ts';

/** Where the server shows its certificate, and how it is spoken to before TLS. */
export const endpointSchema = z.strictObject({
  /** Name or address that this host dials. */
  host: z.string().regex(/^[A-Za-z0-9._:-]{1,253}$/),
  port: z.int().min(1).max(65_535),
  /** Server name indication (RFC 6066 §3); the host when that is a name. */
  server_name: z
    .string()
    .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/)
    .max(253)
    .optional(),
  starttls: z.enum(startTlsProtocols).optional(),
  /** Whether the deployed chain must be served too. */
  check_chain: z.boolean().default(true),
  /** Of a pool behind one name: of so many fresh connections so many must show the new certificate. */
  quorum: z
    .strictObject({ matching: z.int().min(1).max(20), of: z.int().min(2).max(20) })
    .refine(({ matching, of }) => matching <= of, 'of so many connections no more can match')
    .optional(),
  /** Seconds within which the new certificate must be seen. */
  within: z.int().min(1).max(300).default(20),
});

export type Endpoint = z.infer<typeof endpointSchema>;

/** What is asked for by server name indication; undefined: an address has no name. */
export function nameOf({ host, server_name }: Endpoint): string | undefined {
  return server_name ?? (isIP(host) === 0 ? host : undefined);
}

/** An endpoint at one of the addresses of its host, asked for by the name that it had. */
export function atAddress(endpoint: Endpoint, address: string): Endpoint {
  const name = nameOf(endpoint);
  return { ...endpoint, host: address, ...(name !== undefined && { server_name: name }) };
}

/** Where to look after a deployment; `off` says that nobody looks, and is never the default. */
export const verifySchema = z.union([z.literal('off'), endpointSchema]);
export type Verify = z.infer<typeof verifySchema>;
