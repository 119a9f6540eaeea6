import * as z from 'zod';
import { account, keyMode, mode, path } from './config.ts';
import { fileOwner } from './file-owner.ts';
import type { WantedFile } from './file-set.ts';
import type { Material } from './material.ts';

/** Certificate and key in two files, or both in one that is replaced in a single rename. */
export const pairFields = {
  /** Leaf and chain. */
  cert_path: path.optional(),
  key_path: path.optional(),
  /** Leaf, chain and key in one file, instead of the two. */
  pem_path: path.optional(),
  cert_file_mode: mode.optional(),
  key_file_mode: keyMode.optional(),
  cert_owner: account.optional(),
  cert_group: account.optional(),
  key_owner: account.optional(),
  key_group: account.optional(),
  /** Whether the paths may be links; then the files that they lead to are replaced, and the links stay. */
  follow_symlinks: z.boolean().default(false),
};

type PairPaths = Pick<Pair, 'cert_path' | 'key_path' | 'pem_path'>;
export type Pair = Omit<z.infer<z.ZodObject<typeof pairFields>>, 'follow_symlinks'>;

/** Whether a configuration names one of the two layouts and nothing of the other. */
export function namesOneLayout({ cert_path, key_path, pem_path }: PairPaths): boolean {
  if (pem_path !== undefined) return cert_path === undefined && key_path === undefined;
  return cert_path !== undefined && key_path !== undefined && cert_path !== key_path;
}

export const layoutRule = 'either cert_path and key_path (two files), or pem_path alone';

export function pairPaths({ cert_path, key_path, pem_path }: PairPaths): string[] {
  return [pem_path, cert_path, key_path].filter((name) => name !== undefined);
}

/** A file of the issuers alone, where one is named. */
export const chainField = { chain_path: path.optional() };
type WithChain = Pair & { readonly chain_path?: string | undefined };

export function pairAndChainPaths(config: WithChain): string[] {
  return [...pairPaths(config), ...(config.chain_path === undefined ? [] : [config.chain_path])];
}

export function chainFiles({ chain_path, cert_file_mode }: WithChain, material: Material): WantedFile[] {
  if (chain_path === undefined) return [];
  return [{ path: chain_path, content: Buffer.from(material.chainPem), secret: false, mode: cert_file_mode, owner: undefined }];
}

/** The files of a pair; the key comes first, so that it is in place before its certificate. @param order of the parts of a `pem_path` */
export async function pairFiles(pair: Pair, material: Material, order: 'key first' | 'key last' = 'key last'): Promise<WantedFile[]> {
  const certificates = material.leafPem + material.chainPem;
  const keyOwner = await fileOwner(pair.key_owner, pair.key_group);
  if (pair.pem_path !== undefined) {
    const content = Buffer.from(order === 'key first' ? material.keyPem + certificates : certificates + material.keyPem);
    return [{ path: pair.pem_path, content, secret: true, mode: pair.key_file_mode, owner: keyOwner }];
  }
  const certOwner = await fileOwner(pair.cert_owner, pair.cert_group);
  return [
    { path: pair.key_path ?? '', content: Buffer.from(material.keyPem), secret: true, mode: pair.key_file_mode, owner: keyOwner },
    { path: pair.cert_path ?? '', content: Buffer.from(certificates), secret: false, mode: pair.cert_file_mode, owner: certOwner },
  ];
}
