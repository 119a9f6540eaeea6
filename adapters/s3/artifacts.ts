import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

export interface Artifact {
  readonly body: Uint8Array;
  readonly etag: string;
}

export interface ArtifactHeaders {
  readonly contentType: string;
  readonly cacheControl: string;
  /** Metadata beside the object, by lower-case names. */
  readonly notes?: Readonly<Record<string, string>>;
}

/** Public artifacts: CRLs by name and by number. */
export interface Artifacts {
  get(key: string): Promise<Artifact | undefined>;
  /** What is noted beside an object, without its body. */
  notes(key: string): Promise<Readonly<Record<string, string>> | undefined>;
  /**
   * Writes only what nobody else wrote meanwhile.
   *
   * @param expected the ETag that was read, or undefined when there was no object
   * @returns false when the object is another by now
   */
  replace(key: string, body: Uint8Array, expected: string | undefined, headers: ArtifactHeaders): Promise<boolean>;
}

/** @param pathStyle for an endpoint that is an address, where a bucket cannot be a host name */
export function artifacts(bucket: string, pathStyle = process.env['AWS_ENDPOINT_URL'] !== undefined): Artifacts {
  const client = new S3Client({ maxAttempts: 3, useDualstackEndpoint: false, forcePathStyle: pathStyle });
  return {
    async get(key) {
      try {
        const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        const body = await answer.Body?.transformToByteArray();
        return body && { body, etag: answer.ETag ?? '' };
      } catch (error) {
        if ((error as { name?: string }).name === 'NoSuchKey') return undefined;
        throw error;
      }
    },
    async notes(key) {
      try {
        return (await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))).Metadata ?? {};
      } catch (error) {
        if ((error as { name?: string }).name === 'NotFound') return undefined;
        throw error;
      }
    },
    async replace(key, body, expected, headers) {
      try {
        await client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: key,
            Body: body,
            ContentType: headers.contentType,
            CacheControl: headers.cacheControl,
            ...(headers.notes !== undefined && { Metadata: { ...headers.notes } }),
            ...(expected === undefined ? { IfNoneMatch: '*' } : { IfMatch: expected }),
          }),
        );
        return true;
      } catch (error) {
        const { name } = error as { name?: string };
        if (name === 'PreconditionFailed' || name === 'ConditionalRequestConflict') return false;
        throw error;
      }
    },
  };
}
