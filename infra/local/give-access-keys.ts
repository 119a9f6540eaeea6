import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { credentialsFile, sessionKey, userKey } from './copy/access-keys.ts';
import type { Home } from './home.ts';

const sessionSeconds = 12 * 3600;

/** Where the secret lies that all access keys of a home come from. */
export function accessKeySecretFile(home: Pick<Home, 'keys'>): string {
  return join(home.keys, 'access-keys.secret');
}

/**
 * Writes the access keys of this machine's AWS identities for SDKs to find: the user `local`, and from each start on for twelve hours a session of
 * the role `local`.
 *
 * @returns the secret that they come from, made when there is none
 */
export function giveAccessKeys(home: Home): Buffer {
  const file = accessKeySecretFile(home);
  if (!existsSync(file)) writeFileSync(file, randomBytes(32), { mode: 0o600, flag: 'wx' });
  const secret = readFileSync(file);
  const expires = Math.floor(Date.now() / 1000) + sessionSeconds;
  const keys = { default: userKey(secret), role: sessionKey(secret, { role: 'local', name: 'npm-start', expires }) };
  writeFileSync(home.awsCredentialsFile, credentialsFile(keys), { mode: 0o600 });
  return secret;
}
