import { createHash } from 'node:crypto';
import { constants, open, opendir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { PlaceFormat } from '#domain/discovery/discovered.ts';
import type { KeystoreError } from '#domain/keystore/keystore.ts';
import { certificatesIn } from './certificates-in.ts';
import { keystoreIn } from './keystore-in.ts';

export interface FoundPlace {
  readonly path: string;
  readonly format: PlaceFormat;
  readonly key_present: boolean;
}

/** What a search found: each certificate once, by the SHA-256 of its DER in hex. */
export interface SearchResult {
  readonly certificates: ReadonlyMap<string, { readonly der: Buffer; readonly places: FoundPlace[] }>;
  /** What could not be read, or was left out, for people. */
  readonly errors: readonly string[];
  /** Whatever lies there was seen: what was not found is not there. */
  readonly complete: boolean;
}

export interface SearchLimits {
  readonly depth: number;
  readonly files: number;
  /** Of one file. */
  readonly fileBytes: number;
  /** Of all files. */
  readonly bytes: number;
  readonly certificates: number;
  /** Of one certificate. */
  readonly places: number;
  readonly errors: number;
  readonly milliseconds: number;
}

export const searchLimits: SearchLimits = {
  depth: 16,
  files: 20_000,
  fileBytes: 1_048_576,
  bytes: 268_435_456,
  certificates: 5000,
  places: 50,
  errors: 100,
  milliseconds: 60_000,
};

// Not files of anybody's, or too many of them.
const never = ['/proc', '/sys', '/dev', '/run'];

/**
 * Searches folders for certificates, as far as the limits go. Links are not followed, so nothing outside of the folders is read; files named `*.key` are not
 * opened.
 *
 * @param leftOut files or folders, besides those of the kernel
 * @param passwords that keystores are tried with
 */
export async function searchCertificates(
  folders: readonly string[],
  leftOut: readonly string[],
  passwords: readonly string[],
  signal: AbortSignal,
  limits: SearchLimits = searchLimits,
): Promise<SearchResult> {
  const certificates = new Map<string, { der: Buffer; places: FoundPlace[] }>();
  const errors: string[] = [];
  let complete = true;
  const complain = (path: string, why: string): void => {
    // What went away meanwhile is not there.
    complete &&= why === 'ENOENT';
    if (errors.length < limits.errors) errors.push(`${path}: ${why}`.slice(0, 500));
  };
  const outside = [...never, ...(await Promise.all(leftOut.map((path) => realpath(path).catch(() => path))))];
  const until = performance.now() + limits.milliseconds;
  let files = 0;
  let bytes = 0;
  const over = (): string | undefined => {
    if (signal.aborted) return 'the agent stops';
    if (performance.now() > until) return `the search took ${limits.milliseconds / 1000} seconds`;
    if (files >= limits.files) return `${limits.files} files were read`;
    if (bytes >= limits.bytes) return `${limits.bytes} bytes were read`;
    return certificates.size >= limits.certificates ? `${limits.certificates} certificates were found` : undefined;
  };
  const note = async (path: string, content: Buffer): Promise<void> => {
    const keystore = await keystoreIn(content, passwords);
    if (keystore?.problem !== undefined) complain(path, adviceOn(keystore.problem));
    const { certificates: found, format, keyPresent } = keystore ?? certificatesIn(content);
    for (const der of found) {
      const fingerprint = createHash('sha256').update(der).digest('hex');
      const known = certificates.get(fingerprint) ?? { der, places: [] };
      if (known.places.length < limits.places && !known.places.some((place) => place.path === path))
        known.places.push({ path, format, key_present: keyPresent });
      if (certificates.size < limits.certificates) certificates.set(fingerprint, known);
    }
  };
  const read = async (path: string): Promise<void> => {
    files += 1;
    // A file that became a link or a pipe since the folder was read is not waited for.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size } = await file.stat();
      if (size === 0 || size > limits.fileBytes) return;
      const content = Buffer.alloc(size);
      const { bytesRead } = await file.read(content, 0, size, 0);
      bytes += bytesRead;
      try {
        await note(path, content.subarray(0, bytesRead));
      } finally {
        content.fill(0);
      }
    } finally {
      await file.close();
    }
  };
  const walk = async (folder: string, depth: number): Promise<string | undefined> => {
    if (depth > limits.depth) {
      complain(folder, `lies deeper than ${limits.depth} folders`);
      return undefined;
    }
    for await (const entry of await opendir(folder)) {
      const path = join(folder, entry.name);
      const why = over();
      if (why !== undefined) return why;
      if (isBelow(path, outside)) continue;
      try {
        const stopped = entry.isDirectory() ? await walk(path, depth + 1) : undefined;
        if (stopped !== undefined) return stopped;
        if (entry.isFile() && isCandidate(entry.name)) await read(path);
      } catch (error) {
        // Told, and the search goes on beside it.
        complain(path, codeOf(error));
      }
    }
    return undefined;
  };
  for (const folder of folders) {
    try {
      const stopped = await walk(await realpath(folder), 0);
      if (stopped !== undefined) complain(folder, `not searched to its end: ${stopped}`);
    } catch (error) {
      complain(folder, codeOf(error));
    }
  }
  return { certificates, errors, complete };
}

/** What a deployment keeps beside its files is known already; a file that is named a key has none. */
function isCandidate(name: string): boolean {
  return !name.toLowerCase().endsWith('.key') && !/\.certctl-(bak|tmp)\./.test(name);
}

function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`));
}

/** What happened to a keystore, and what somebody can do about it. */
function adviceOn({ fault, message }: KeystoreError): string {
  if (fault !== 'locked' && fault !== 'costly') return message;
  const where = fault === 'locked' ? 'in' : 'first in';
  return `${message}: name the secret that holds its password ${where} discovery_passwords, or the file in discovery_exclude`;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'could not be read';
}
