import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpRequest } from '../shared/http.ts';

/**
 * Who asks. Behind the distribution the gateway sees its edge, so the distribution says who it was, and proves by its token that it is the one
 * that says so. Who asks the gateway directly is its own address, whatever its headers claim.
 *
 * @param token what the distribution adds to its requests; undefined when there is none
 */
export function clientAddress(request: Pick<HttpRequest, 'headers' | 'sourceIp'>, token: string | undefined): string {
  const viewer = request.headers['cloudfront-viewer-address'];
  if (token === undefined || viewer === undefined || !isEqual(request.headers['x-origin-token'] ?? '', token)) return request.sourceIp;
  // address:port, IPv6 without brackets
  return viewer.slice(0, viewer.lastIndexOf(':'));
}

function isEqual(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
