import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AwsError } from './aws-error.ts';

export interface ObjectAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

interface Stored {
  readonly etag: string;
  readonly contentType: string;
  readonly cacheControl: string | undefined;
  readonly modified: string;
  /** Headers `x-amz-meta-…`, as they came. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Objects as files, each beside a note of its headers: GET, HEAD and PUT with If-Match and If-None-Match. One request runs at a time, so a
 * condition and its write are one.
 */
export function s3(folder: string, buckets: readonly string[]) {
  return (
    method: string,
    bucket: string,
    key: string,
    headers: Readonly<Record<string, string | string[] | undefined>>,
    body: Buffer,
  ): ObjectAnswer => {
    if (!buckets.includes(bucket)) throw new AwsError('NoSuchBucket', 'The specified bucket does not exist', 404);
    if (key === '' || key.length > 1024 || key.split('/').some((part) => part === '..' || part === '.' || part === ''))
      throw new AwsError('InvalidArgument', 'The key is not valid');
    const file = join(folder, bucket, key);
    const stored = note(file);
    if (method === 'PUT') return put(file, stored, headers, body);
    if (method !== 'GET' && method !== 'HEAD') throw new AwsError('NotImplemented', `${method} is not played here`, 501);
    if (stored === undefined) throw new AwsError('NoSuchKey', 'The specified key does not exist.', 404);
    const content = readFileSync(`${file}#${stored.etag}`);
    return {
      status: 200,
      headers: {
        etag: `"${stored.etag}"`,
        'content-type': stored.contentType,
        'last-modified': stored.modified,
        'content-length': String(content.length),
        ...(stored.cacheControl !== undefined && { 'cache-control': stored.cacheControl }),
        ...stored.metadata,
      },
      ...(method === 'GET' && { body: content }),
    };
  };
}

function put(
  file: string,
  before: Stored | undefined,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Buffer,
): ObjectAnswer {
  const expected = headers['if-match'];
  if (expected !== undefined && (before === undefined || `"${before.etag}"` !== expected)) {
    throw new AwsError('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', 412);
  }
  if (headers['if-none-match'] === '*' && before !== undefined)
    throw new AwsError('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', 412);
  const etag = createHash('md5').update(body).digest('hex');
  const cacheControl = headers['cache-control'];
  const stored: Stored = {
    etag,
    contentType: String(headers['content-type'] ?? 'application/octet-stream'),
    cacheControl: typeof cacheControl === 'string' ? cacheControl : undefined,
    modified: new Date().toUTCString(),
    metadata: Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) =>
        name.startsWith('x-amz-meta-') && typeof value === 'string' ? [[name, value]] : [],
      ),
    ),
  };
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // The content first, under its own name; the note that points to it moves last, in one step.
  writeFileSync(`${file}#${etag}`, body, { mode: 0o600 });
  const draft = `${file}#${randomUUID()}`;
  writeFileSync(draft, JSON.stringify(stored), { mode: 0o600 });
  renameSync(draft, `${file}#note`);
  return { status: 200, headers: { etag: `"${etag}"` } };
}

function note(file: string): Stored | undefined {
  try {
    return JSON.parse(readFileSync(`${file}#note`, 'utf8')) as Stored;
  } catch {
    return undefined;
  }
}
