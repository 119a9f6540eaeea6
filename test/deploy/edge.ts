import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import vm from 'node:vm';
import type { Template } from './cloud.ts';

/** The distribution's way from viewer to origin, because the emulator's own cannot reach an API of the emulator. */
export interface Edge {
  /** Of plain HTTP on loopback. */
  readonly port: number;
  close(): void;
}

export interface EdgeOptions {
  /** The template of the edge stack, as CloudFormation has it. */
  readonly template: Template;
  /** https://… of the API. */
  readonly origin: string;
  readonly emulatorPort: number;
  /** PEM of who vouches for the emulator. */
  readonly ca: string;
}

interface ViewerRequest {
  readonly method: string;
  uri: string;
}
type ViewerFunction = (event: { request: ViewerRequest }) => ViewerRequest | { readonly statusCode: number };

/** Runs the deployed viewer function, then asks the origin with the headers that the deployed distribution adds. */
export async function openEdge(options: EdgeOptions): Promise<Edge> {
  const viewer = viewerFunction(options.template);
  const added = originHeaders(options.template);
  const server = http.createServer((incoming, outgoing) => {
    const [uri = '/', query] = (incoming.url ?? '/').split('?');
    const request = viewer({ request: { method: incoming.method ?? 'GET', uri } });
    if ('statusCode' in request) {
      outgoing.writeHead(request.statusCode).end();
      return;
    }
    const { host, hostname } = new URL(options.origin);
    const forwarded = https.request(
      {
        host: '127.0.0.1',
        servername: hostname,
        port: options.emulatorPort,
        ca: options.ca,
        method: incoming.method,
        path: query === undefined ? request.uri : `${request.uri}?${query}`,
        headers: {
          ...incoming.headers,
          ...added,
          'cloudfront-viewer-address': `${incoming.socket.remoteAddress ?? ''}:${incoming.socket.remotePort ?? 0}`,
          host,
        },
        agent: false,
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forwarded.on('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The code that CloudFront would run, in a world that knows no more than CloudFront's (JavaScript runtime 2.0). */
export function viewerFunction(template: Template): ViewerFunction {
  const code = resourceOf(template, 'AWS::CloudFront::Function')['FunctionCode'];
  if (typeof code !== 'string') throw new Error('the viewer function is no plain text');
  return vm.runInNewContext(`${code}; handler`) as ViewerFunction;
}

function originHeaders(template: Template): Record<string, string> {
  const distribution = resourceOf(template, 'AWS::CloudFront::Distribution')['DistributionConfig'] as {
    Origins: { OriginCustomHeaders?: { HeaderName: string; HeaderValue: string }[] }[];
  };
  const headers = distribution.Origins[0]?.OriginCustomHeaders ?? [];
  return Object.fromEntries(headers.map(({ HeaderName, HeaderValue }) => [HeaderName.toLowerCase(), HeaderValue]));
}

function resourceOf(template: Template, type: string): Record<string, unknown> {
  const found = Object.values(template.Resources).find((resource) => resource.Type === type);
  if (found === undefined) throw new Error(`the template has no ${type}`);
  return found.Properties ?? {};
}
