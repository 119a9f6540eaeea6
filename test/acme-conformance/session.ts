import type { Signed } from './client.ts';
import { startHttpResponder } from './http-responder.ts';
import type { Options } from './options.ts';
import type { Subject } from './subject.ts';
import { startTlsResponder } from './tls-responder.ts';
import { connect, type Transport } from './transport.ts';
import { objectOf } from './verdict.ts';
import { startZone } from './zone.ts';

/** What may stand between the suite and a server. */
export interface Between {
  readonly transport?: (way: Transport) => Transport;
  readonly observe?: (body: string, signed: Signed) => void;
}

export interface Session {
  readonly subject: Subject;
  close(): void;
}

export type Responders = Pick<Subject, 'http' | 'tls' | 'zone'>;

/** Begins to answer challenges on the ports that were given. */
export async function startResponders(
  options: Pick<Options, 'listen' | 'httpPort' | 'tlsPort' | 'dnsPort' | 'address'>,
): Promise<Responders & { close(): Promise<void> }> {
  const { listen, httpPort, tlsPort, dnsPort, address } = options;
  const http = httpPort === undefined ? undefined : await startHttpResponder(listen, httpPort);
  const tls = tlsPort === undefined ? undefined : await startTlsResponder(listen, tlsPort);
  const zone = dnsPort === undefined ? undefined : await startZone({ listen, port: dnsPort, everyName: address });
  return {
    http,
    tls,
    zone,
    async close() {
      await http?.stop();
      await tls?.stop();
      zone?.stop();
    },
  };
}

/**
 * Reads the directory and makes ready to try the server.
 *
 * @throws {Error} when there is no directory
 */
export async function openSession(options: Options, responders: Responders, between: Between = {}): Promise<Session> {
  const way = connect(options.ca);
  const transport = between.transport?.(way.transport) ?? way.transport;
  const directoryAnswer = await transport({ url: options.directory, method: 'GET', headers: {} });
  const directory = objectOf(directoryAnswer);
  if (!('newNonce' in directory)) throw new Error(`${options.directory} is no ACME directory`);
  const { externalAccount, suffix, profile, ip, patience } = options;
  const connection = { transport, directory, nonces: [], observe: between.observe };
  return {
    subject: {
      directoryUrl: options.directory,
      directoryAnswer,
      connection,
      externalAccount,
      suffix,
      profile,
      ip,
      patience,
      ...responders,
      shared: {},
    },
    close() {
      way.close();
    },
  };
}
