import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

/** Makes links to objects of a bucket that whoever has them may read for a while. */
export type LinkSigner = (key: string, seconds: number) => Promise<string>;

/** @param pathStyle for an endpoint that is an address, where a bucket cannot be a host name */
export function linkSigner(bucket: string, pathStyle = process.env['AWS_ENDPOINT_URL'] !== undefined): LinkSigner {
  const client = new S3Client({ useDualstackEndpoint: false, forcePathStyle: pathStyle });
  return (key, seconds) => getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: seconds });
}
