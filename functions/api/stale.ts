import { CaError } from '#domain/error.ts';

/**
 * What to say when a conditional change changed nothing.
 *
 * @param kind what it is, for people
 * @param now the resource as it is by now; undefined when there is none
 * @throws {CaError} `notFound`, or `preconditionFailed` with the version that there is
 */
export function stale(kind: string, now: { readonly version: number } | undefined): never {
  if (now === undefined) throw new CaError('notFound', `no such ${kind}`);
  throw new CaError('preconditionFailed', `the ${kind} is at version ${now.version} by now; read it again`);
}
