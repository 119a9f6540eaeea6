import { createHmac, timingSafeEqual } from 'node:crypto';

/** What an SDK of AWS signs with. */
export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of a session; undefined for a user's own key. */
  readonly sessionToken: string | undefined;
}

/** Whose an access key is, as API Gateway tells a function. */
export interface Identity {
  readonly userArn: string;
  readonly accountId: string;
  readonly callerId: string;
  readonly userId: string;
}

/** A session of a role. */
export interface Session {
  readonly role: string;
  readonly name: string;
  /** Seconds since the epoch. */
  readonly expires: number;
}

/** Who has an access key that does not end. */
export const localUser = 'local';

const account = '000000000000';
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function derive(secret: Buffer, ...what: readonly string[]): Buffer {
  return createHmac('sha256', secret).update(JSON.stringify(what)).digest();
}

function idOf(prefix: string, bytes: Buffer): string {
  return prefix + [...bytes.subarray(0, 16)].map((byte) => letters[byte % letters.length]).join('');
}

/**
 * The key of the one user that this machine plays. Keys are derived from a secret of the home, so that none lies anywhere but where it is used.
 *
 * @param secret 32 bytes
 */
export function userKey(secret: Buffer): AccessKey {
  const accessKeyId = idOf('AKIA', derive(secret, 'user', localUser));
  return { accessKeyId, secretAccessKey: derive(secret, 'secret', accessKeyId).toString('base64'), sessionToken: undefined };
}

/** The key of a session: its token says, sealed, whose it is and how long, as those of AWS do. */
export function sessionKey(secret: Buffer, session: Session): AccessKey {
  const said = Buffer.from(JSON.stringify([session.role, session.name, session.expires])).toString('base64url');
  const sessionToken = `${said}.${derive(secret, 'token', said).toString('base64url')}`;
  const accessKeyId = idOf('ASIA', derive(secret, 'session', sessionToken));
  return { accessKeyId, secretAccessKey: derive(secret, 'secret', accessKeyId).toString('base64'), sessionToken };
}

/**
 * Whose an access key is.
 *
 * @param now seconds since the epoch
 * @returns undefined for a key that was not given out here, without the token that belongs to it, or of a session that is over
 */
export function ownerOf(
  secret: Buffer,
  accessKeyId: string,
  sessionToken: string | undefined,
  now: number,
): { readonly key: AccessKey; readonly identity: Identity } | undefined {
  if (sessionToken === undefined) {
    const key = userKey(secret);
    const id = idOf('AIDA', derive(secret, 'user-id', localUser));
    const identity = { userArn: `arn:aws:iam::${account}:user/${localUser}`, accountId: account, callerId: id, userId: id };
    return key.accessKeyId === accessKeyId ? { key, identity } : undefined;
  }
  const session = readToken(secret, sessionToken);
  if (session === undefined || session.expires <= now) return undefined;
  const key = sessionKey(secret, session);
  const id = `${idOf('AROA', derive(secret, 'role-id', session.role))}:${session.name}`;
  const userArn = `arn:aws:sts::${account}:assumed-role/${session.role}/${session.name}`;
  return key.accessKeyId === accessKeyId ? { key, identity: { userArn, accountId: account, callerId: id, userId: id } } : undefined;
}

function readToken(secret: Buffer, token: string): Session | undefined {
  const [said = '', seal = ''] = token.split('.');
  const right = derive(secret, 'token', said);
  const given = Buffer.from(seal, 'base64url');
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
  const [role, name, expires] = JSON.parse(Buffer.from(said, 'base64url').toString('utf8')) as [string, string, number];
  return { role, name, expires };
}

/** The keys as the file that SDKs and the AWS CLI read: the user's as `default`, a session of a role as `role`. */
export function credentialsFile(keys: Readonly<Record<string, AccessKey>>): string {
  const lines = Object.entries(keys).flatMap(([profile, key]) => [
    `[${profile}]`,
    `aws_access_key_id = ${key.accessKeyId}`,
    `aws_secret_access_key = ${key.secretAccessKey}`,
    ...(key.sessionToken === undefined ? [] : [`aws_session_token = ${key.sessionToken}`]),
    '',
  ]);
  return lines.join('\n');
}
