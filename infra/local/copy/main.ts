import http from 'node:http';
import https from 'node:https';
import type { PlannedFunction } from '../plan.ts';
import { gateway } from './gateway.ts';
import { iamAuthorizer } from './iam-authorizer.ts';
import type { FromCopy, FrontCertificate, ToCopy } from './protocol.ts';
import { loadFunction, type LoadedFunction } from './runtime.ts';
import { sharedPort } from './shared-port.ts';

/**
 * One copy: the TLS front, the plain HTTP front, and the functions, in one process. It ends with the primary, whatever ended that.
 */
const functions = new Map<string, LoadedFunction>();
const fronts: https.Server[] = [];
// Names under .localhost mean either; nobody else's machine is served.
const loopbacks = ['127.0.0.1', '::1'];
// A fleet comes back all at once: what the queue has no room for is reset. The system's own bound is net.core.somaxconn.
const backlog = 4096;

const tell = (message: FromCopy): void => void process.send?.(message);

process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; the primary decides when copies end.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('message', (message: ToCopy) => {
  switch (message.type) {
    case 'start':
      start(message).then(
        () => tell({ type: 'listening' }),
        (error: unknown) => tell({ type: 'failed', reason: (error as Error).message }),
      );
      break;
    case 'front':
      for (const front of fronts) front.setSecureContext(secureContext(message.front));
      break;
    case 'invoke':
      void answer(message.id, message.functionName, message.payload);
      break;
    case 'stop':
      process.exit(0);
  }
});

async function start(message: ToCopy & { type: 'start' }): Promise<void> {
  for (const spec of message.functions) functions.set(spec.name, loadFunction(spec, sharedEnvironment(message.environment, spec)));
  const invoke = (name: string, event: unknown): Promise<unknown> => functionOf(name).invoke(event);
  const failed = (name: string, error: unknown): void =>
    console.error(JSON.stringify({ level: 'ERROR', function: name, message: 'unhandled', error: String(error) }));
  const authorize = message.accessKeys === undefined ? undefined : iamAuthorizer(Buffer.from(message.accessKeys, 'base64'), Date.now);
  const secure = gateway({ routes: message.routes, invoke, failed, ...(authorize && { authorize }) });
  const plain = gateway({ routes: message.routes, onlyUnder: '/.well-known/pki/', invoke, failed });
  for (const host of loopbacks) {
    const front = https.createServer(
      { ...secureContext(message.front), minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'], keepAliveTimeout: 75_000 },
      secure,
    );
    fronts.push(front);
    await listening(front, message.port, host);
    await listening(http.createServer({ keepAliveTimeout: 75_000 }, plain), message.httpPort, host);
  }
}

function sharedEnvironment(environment: Readonly<Record<string, string>>, spec: PlannedFunction): Record<string, string> {
  // The door and the resolvers are for the one function that validates.
  const { PROBER_DOOR, DNS_RESOLVERS, ...rest } = environment;
  const isProber = 'DNS_RESOLVERS' in spec.environment;
  return {
    ...rest,
    ...(isProber && PROBER_DOOR !== undefined && { PROBER_DOOR }),
    ...(isProber && DNS_RESOLVERS !== undefined && { DNS_RESOLVERS }),
  };
}

function functionOf(name: string): LoadedFunction {
  const fn = functions.get(name);
  if (fn === undefined) throw new Error(`there is no function ${name}`);
  return fn;
}

async function answer(id: number, functionName: string, payload: string): Promise<void> {
  try {
    const result = await functionOf(functionName).invoke(payload === '' ? {} : JSON.parse(payload));
    tell({ type: 'result', id, payload: JSON.stringify(result ?? null) });
  } catch (error) {
    const { name, message } = error as Error;
    console.error(JSON.stringify({ level: 'ERROR', function: functionName, message: 'failed', error: `${name}: ${message}` }));
    tell({ type: 'result', id, payload: JSON.stringify({ errorType: name, errorMessage: message }), error: 'Unhandled' });
  }
}

function secureContext(certificate: FrontCertificate): { cert: string; key: string } {
  return { cert: certificate.chain, key: certificate.key };
}

/** A machine without IPv6 has one loopback address only. */
function listening(server: http.Server | https.Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (host === '::1' && (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')) resolve();
      else reject(error);
    });
    // Of sockets that are one for all, whoever wakes first takes most connections, and the other cores have little to do.
    server.listen({ port, host, backlog, ...sharedPort }, () => resolve());
  });
}
