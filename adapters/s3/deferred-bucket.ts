import type { Bucket } from './bucket.ts';

/** A bucket whose client is loaded with the first request that wants it: nobody else's start pays for it. */
export function deferredBucket(name: string): Bucket {
  let opening: Promise<Bucket> | undefined;
  const open = async (): Promise<Bucket> => (await import('./bucket.ts')).openBucket(name);
  const opened = (): Promise<Bucket> => (opening ??= open());
  return {
    artifacts: {
      get: async (key) => (await opened()).artifacts.get(key),
      notes: async (key) => (await opened()).artifacts.notes(key),
      replace: async (key, body, expected, headers) => (await opened()).artifacts.replace(key, body, expected, headers),
    },
    link: async (key, seconds) => (await opened()).link(key, seconds),
  };
}
