import { getOpenApi } from '#contract/meta.ts';
import { serve, type Served } from './router.ts';

/** The operations of `contract/meta.ts`. */
export function metaOperations(ports: { readonly publicBaseUrl: string }): readonly Served[] {
  return [
    serve(getOpenApi, async () => {
      // Made beforehand, and read when somebody asks.
      const { openapiDocument } = await import('./openapi-document.ts');
      return { ...openapiDocument, openapi: '3.1.0' as const, servers: [{ url: ports.publicBaseUrl }] };
    }),
  ];
}
