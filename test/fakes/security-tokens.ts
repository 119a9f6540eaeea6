import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Refusal, signerOf, type Signer } from './aws-json.ts';

/** Whoever has not assumed a role is of this account. */
export const ownAccount = '000000000000';

/** A role, by what its trust demands. */
export interface Trust {
  readonly externalId?: string;
}

/** A session that was given, in the region whose endpoint was asked. */
export interface AssumedSession extends Signer {
  readonly role: string;
  readonly name: string;
  readonly seconds: number;
}

export interface SecurityTokens {
  /** For AWS_ENDPOINT_URL_STS. */
  readonly url: string;
  readonly sessions: readonly AssumedSession[];
  /** How often a role was asked for. */
  readonly asked: () => number;
  /** The account of a session's role. @throws {Refusal} for a session that was not given */
  readonly accountOf: (signer: Signer) => string;
  stop(): Promise<void>;
}

/** How it behaves from now on; a test changes it as it goes. */
export interface StsBehaviour {
  refusal?: Refusal | undefined;
}

/**
 * AssumeRole of AWS Security Token Service as its document describes it, strict: a role that is not there, an external id other than its trust's, a name or a
 * length of the session that the service does not take, and a request that is not signed are refused.
 */
export async function startSecurityTokens(roles: Readonly<Record<string, Trust>>, behaviour: StsBehaviour = {}): Promise<SecurityTokens> {
  const sessions: AssumedSession[] = [];
  let asked = 0;
  const assume = (input: URLSearchParams, { region, accessKeyId }: Signer): AssumedSession => {
    asked += 1;
    if (behaviour.refusal !== undefined) throw behaviour.refusal;
    const [role, name, seconds] = [input.get('RoleArn') ?? '', input.get('RoleSessionName') ?? '', Number(input.get('DurationSeconds'))];
    if (!/^[\w+=,.@-]{2,64}$/.test(name) || seconds < 900 || seconds > 43_200) throw new Refusal('ValidationError', 'not valid');
    const trust = roles[role];
    if (trust === undefined || (trust.externalId !== undefined && trust.externalId !== input.get('ExternalId')))
      throw new Refusal('AccessDenied', `User: ${accessKeyId} is not authorized to perform: sts:AssumeRole on resource: ${role}`, 403);
    const session = { accessKeyId: `ASIA${randomUUID().slice(0, 8)}`, sessionToken: randomUUID(), region, role, name, seconds };
    sessions.push(session);
    return session;
  };
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const answer = (status: number, body: string): void => void response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
      try {
        const input = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
        if (input.get('Action') !== 'AssumeRole') throw new Refusal('InvalidAction', String(input.get('Action')));
        answer(200, given(assume(input, signerOf(request.headers))));
      } catch (error) {
        const { code, message, status } = error instanceof Refusal ? error : new Refusal('InternalFailure', String(error), 500);
        answer(
          status,
          `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
        );
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sessions,
    asked: () => asked,
    accountOf: ({ accessKeyId, sessionToken }) => {
      if (sessionToken === undefined) return ownAccount;
      const session = sessions.find((one) => one.accessKeyId === accessKeyId && one.sessionToken === sessionToken);
      if (session === undefined) throw new Refusal('UnrecognizedClientException', 'The security token is invalid', 403);
      return session.role.split(':')[4] ?? '';
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function given({ accessKeyId, sessionToken, role, name, seconds }: AssumedSession): string {
  const expires = new Date(Date.now() + seconds * 1000).toISOString();
  return `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
    <AssumedRoleUser><Arn>${role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${name}</Arn><AssumedRoleId>AROA:${name}</AssumedRoleId></AssumedRoleUser>
    <Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>${sessionToken ?? ''}</SessionToken>
    <Expiration>${expires}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;
}
