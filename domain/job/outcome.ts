/** How an attempt at a job ended; `lost`: the lease was another's by then, and nothing was written. */
export type Outcome = { readonly kind: 'done' | 'failed' | 'lost' } | { readonly kind: 'again'; readonly delaySeconds: number };
