/** What a limiter decided, and how many writes that took; 0 when a token was at hand. */
export type Verdict =
  | { readonly admitted: true; readonly remaining: number; readonly attempts: number }
  | { readonly admitted: false; readonly retryAfterSeconds: number; readonly attempts: number };

/** So many others wrote meanwhile that nothing could be decided. */
export class Contended extends Error {
  override readonly name = 'Contended';
  constructor(attempts: number) {
    super(`no decision in ${attempts} attempts`);
  }
}
