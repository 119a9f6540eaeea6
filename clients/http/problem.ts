import * as z from 'zod';

/** What the server says of a refusal (RFC 9457). */
export const problemBody = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string().optional(),
  instance: z.string().optional(),
});

/** A refusal of the server; status 0 when there was no answer. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  /** Stable, e.g. `notFound`; `unreachable` when there was no answer. */
  readonly code: string;
  /** Seconds; NaN where the server did not say. */
  readonly retryAfter: number;
  /** `urn:certctl:request:…`, for whoever reads the server's log. */
  readonly instance: string | undefined;

  constructor(status: number, code: string, detail: string, retryAfter = Number.NaN, instance?: string) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
    this.instance = instance;
  }
}
