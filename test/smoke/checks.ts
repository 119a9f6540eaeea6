import { randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { acmeClient, bind, challengeOf, type AcmeClient } from '../acme/client.ts';
import { succeed } from '../interop/tool.ts';
import { request, until, type Answer, type Target } from '../platform.ts';
import { crlSerials, judged, ocspStatus, untilListed, type Judged } from './certificate.ts';
import { startConnectProxy } from './connect-proxy.ts';
import type { SmokeOptions } from './options.ts';

/** One sentence about the platform, and what shows that it is true. */
export interface Check {
  readonly name: string;
  /** @returns a detail worth printing @throws what is wrong */
  run(): Promise<string>;
}

type EabKey = { key_id: string; hmac_key: string };
const maxOrders = 150;

/** The checks in order; later ones need what earlier ones made. @param folder for the files of lego and openssl */
export function smokeChecks(options: SmokeOptions, folder: string): readonly Check[] {
  const { target } = options;
  const began = Date.now();
  const name = `smoke-${randomBytes(5).toString('hex')}.invalid`;
  const lego = legoRunner(options, folder, name);
  let certificate: Judged | undefined;
  const issued = (): Judged => certificate ?? fail('no certificate was issued');
  const call = (method: string, path: string, body?: object): Promise<Answer> =>
    request(target, target.url + path, {
      method,
      headers: { authorization: `Bearer ${options.token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  const invite = async (): Promise<EabKey> => {
    const answer = await call('POST', '/api/v1/eab-keys', { profile: 'internal', description: 'smoke', allowed_names: [name] });
    expectStatus(answer, 201);
    return answer.json() as EabKey;
  };

  return [
    {
      name: 'the database answers and has the schema of this release',
      run: async () => {
        const answer = await until('the platform is ready', () => ready(target), 90);
        return (answer['database'] as { schema: string }).schema;
      },
    },
    {
      name: 'the ACME directory names the endpoint itself',
      run: async () => {
        const answer = await request(target, `${target.url}/acme/profile/default/directory`);
        expectStatus(answer, 200);
        const links = Object.values(answer.json()).filter((value): value is string => typeof value === 'string');
        const foreign = links.filter((link) => !link.startsWith(`${target.url}/`));
        if (links.length < 4 || foreign.length > 0) fail(`the directory is ${answer.text}`);
        return `${links.length} links`;
      },
    },
    {
      name: 'a call without a token is refused with a challenge to authenticate',
      run: async () => {
        const answer = await request(target, `${target.url}/api/v1/profiles`);
        expectStatus(answer, 401);
        // API Gateway may rename the header; which one arrives is worth knowing (RFC 9110 §11.6.1).
        const header = ['www-authenticate', 'x-amzn-remapped-www-authenticate'].find((candidate) => candidate in answer.headers);
        return header ?? fail('there is no WWW-Authenticate');
      },
    },
    {
      name: 'a call with the admin token is answered',
      run: async () => {
        const answer = await call('GET', '/api/v1/profiles');
        expectStatus(answer, 200);
        return `${(answer.json()['items'] as unknown[]).length} profiles`;
      },
    },
    {
      name: 'lego gets a certificate that leads to the root',
      run: async () => {
        const { key_id: kid, hmac_key: hmac } = await invite();
        await lego('run', ['--eab', '--kid', kid, '--hmac', hmac]);
        const base = join(folder, 'lego', 'certificates', name);
        certificate = await judged(target, folder, `${base}.crt`, `${base}.issuer.crt`);
        await succeed('openssl', ['verify', '-CAfile', certificate.root, '-untrusted', certificate.issuer, certificate.leaf]);
        return serialOf(certificate);
      },
    },
    {
      name: 'OCSP says that it is good',
      run: async () => {
        const status = await ocspStatus(target, folder, issued());
        return status === 'good' ? issued().ocspUrl : fail(`it says ${status}`);
      },
    },
    {
      name: 'the CRL is signed by its issuer and does not list it',
      run: async () => {
        const listed = await crlSerials(target, folder, issued());
        return listed.includes(serialOf(issued())) ? fail('it is listed') : issued().crlUrl;
      },
    },
    {
      name: 'after lego revokes it, OCSP says revoked and the CRL lists it',
      run: async () => {
        await lego('revoke', ['--keep']);
        const status = await ocspStatus(target, folder, issued());
        if (status !== 'revoked') fail(`OCSP says ${status}`);
        await untilListed(target, folder, issued(), serialOf(issued()));
        return 'listed';
      },
    },
    {
      name: 'a challenge goes through the queue to the worker and the prober, and comes back refused',
      run: async () => {
        const client = await acmeClient(target);
        expectStatus(await client.register(), 201);
        const problem = await refusedChallenge(client, `absent-${name}`);
        await deactivate(client);
        return problem;
      },
    },
    {
      name: 'too many orders of one account are refused with Retry-After',
      run: async () => {
        const client = await acmeClient(target, { profile: 'internal' });
        const externalAccountBinding = bind(client, await invite());
        expectStatus(await client.register({ externalAccountBinding }), 201);
        const detail = await refusedOrder(client, name);
        await deactivate(client);
        return detail;
      },
    },
    {
      name: 'the schedules start the loops: each that is due every minute has ticked since the first check',
      run: async () => {
        const waiting = async (): Promise<readonly string[]> => {
          const answer = await call('GET', '/api/v1/admin/loops');
          // A busy moment is no answer, and no failure while there is time.
          if (answer.status === 503) return ['all of them'];
          expectStatus(answer, 200);
          const items = answer.json()['items'] as { name: string; interval_seconds: number; heartbeat: string | null }[];
          return items
            .filter((loop) => loop.interval_seconds <= 60 && Date.parse(loop.heartbeat ?? '1970-01-01') < began)
            .map((loop) => loop.name);
        };
        await until('every loop has ticked', async () => ((await waiting()).length === 0 ? true : undefined), 75);
        return 'they have';
      },
    },
  ];
}

async function ready(target: Target): Promise<Record<string, unknown> | undefined> {
  const answer = await request(target, `${target.url}/ready?deep=1`);
  const body = answer.status === 200 ? answer.json() : {};
  return body['status'] === 'ready' ? body : undefined;
}

function legoRunner(options: SmokeOptions, folder: string, name: string) {
  let eab: readonly string[] = [];
  return async (command: 'run' | 'revoke', more: readonly string[]): Promise<void> => {
    const place = options.target.connectTo?.['https:'];
    const proxy = place && (await startConnectProxy(place));
    if (command === 'run') eab = more;
    try {
      await succeed(
        'lego',
        [
          ...['--server', `${options.target.url}/acme/profile/internal/directory`, '--accept-tos', '--email', 'smoke@example.com'],
          ...['--path', join(folder, 'lego'), '--domains', name, '--http', '--http.port', '127.0.0.1:0'],
          ...eab,
          command,
          ...(command === 'revoke' ? more : []),
        ],
        { ...(options.caFile !== undefined && { LEGO_CA_CERTIFICATES: options.caFile }), ...(proxy && { HTTPS_PROXY: proxy.url }) },
      );
    } finally {
      proxy?.close();
    }
  };
}

/** Nothing answers under .invalid (RFC 6761 §6.4), so validation must end in a problem that says so. */
async function refusedChallenge(client: AcmeClient, name: string): Promise<string> {
  const { body } = await client.order(name);
  const [url = ''] = body['authorizations'] as string[];
  const challenge = await challengeOf(client, url, 'dns-01');
  expectStatus(await client.post(challenge.url, {}), 200);
  const problem = await until(
    'the challenge comes back',
    async () => {
      const found = (await client.post(challenge.url)).json();
      return found['status'] === 'invalid' ? (found['error'] as { type: string }) : undefined;
    },
    120,
  );
  return problem.type === 'urn:ietf:params:acme:error:dns' ? problem.type : fail(`the problem is ${JSON.stringify(problem)}`);
}

/** The account's own bucket is emptied, nobody else's. The cap on open orders is another refusal, which says so. */
async function refusedOrder(client: AcmeClient, name: string): Promise<string> {
  const payload = { identifiers: [{ type: 'dns', value: name }] };
  for (let count = 1; count <= maxOrders; count++) {
    const answer = await client.post(String(client.directory['newOrder']), payload);
    if (answer.status === 201 || answer.text.includes('orders open')) continue;
    expectStatus(answer, 429);
    if (answer.json()['type'] !== 'urn:ietf:params:acme:error:rateLimited' || !(Number(answer.headers['retry-after']) > 0))
      fail(`the refusal is ${answer.text}`);
    return `at order ${count}`;
  }
  return fail(`${maxOrders} orders were taken`);
}

async function deactivate(client: AcmeClient): Promise<void> {
  expectStatus(await client.post(client.kid, { status: 'deactivated' }), 200);
}

function serialOf({ leaf }: Judged): string {
  return new X509Certificate(readFileSync(leaf)).serialNumber;
}

function expectStatus(answer: Answer, status: number): void {
  if (answer.status !== status) fail(`the status is ${answer.status} instead of ${status}: ${answer.text.slice(0, 300)}`);
}

function fail(message: string): never {
  throw new Error(message);
}
