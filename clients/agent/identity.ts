import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { privateFolder, writeDurably } from './state-file.ts';

const schema = z.strictObject({
  agent_id: z.string(),
  name: z.string(),
  server: z.string(),
  /** PEM of the authority that the platform is pinned to; null: the system's. */
  ca: z.string().nullable(),
  /** PKCS#8, PEM. */
  private_key: z.string(),
});
export type Identity = Omit<z.output<typeof schema>, 'private_key'> & { readonly key: KeyObject };

const fileOf = (stateDir: string): string => join(stateDir, 'identity.json');

/** Who this host is to the platform; undefined before it is enrolled. */
export async function readIdentity(stateDir: string): Promise<Identity | undefined> {
  let text: string;
  try {
    text = await readFile(fileOf(stateDir), 'utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
  const { private_key, ...rest } = schema.parse(JSON.parse(text));
  return { ...rest, key: createPrivateKey(private_key) };
}

export async function writeIdentity(stateDir: string, { key, ...rest }: Identity): Promise<void> {
  await privateFolder(stateDir);
  const private_key = key.export({ format: 'pem', type: 'pkcs8' });
  await writeDurably(fileOf(stateDir), `${JSON.stringify({ ...rest, private_key }, null, 2)}\n`);
}

export function newIdentityKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}
