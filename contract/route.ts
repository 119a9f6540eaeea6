import * as z from 'zod';
import type { Permission } from '#domain/access/permission.ts';

/** One REST route, declared once: the router, validation, the permission check and whatever describes the API come from it. */
export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> {
  /** camelCase verb and noun; also the audit action of a change. */
  readonly operation: string;
  /** How the command line calls it: a noun and a verb. None: agents alone call it, who sign what they send. */
  readonly command?: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `{name}` parameters. */
  readonly path: string;
  readonly summary: string;
  /**
   * `public` and `authenticated` (any valid key) are said, never implied. `agent` is the agent that the path names, proven by its signature;
   * `enrolment` is who holds an enrolment token and signs with the key that it wants enrolled.
   */
  readonly permission: Permission | 'public' | 'authenticated' | 'agent' | 'enrolment';
  /**
   * Where a scoped grant suffices: `rows` means for what belongs to its profile or issuer, which the operation sees to; else the permission
   * must hold for the whole platform.
   */
  readonly scope?: 'rows';
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly answer: Answer;
  readonly status: 200 | 201 | 202;
  /** The answer is a text of this type instead of JSON. */
  readonly media?: 'application/x-ndjson';
  /** Another status that has the same answer. */
  readonly otherwise?: 503;
  /** What is answered with 202 where a change waits for somebody else first. */
  readonly accepted?: z.ZodType;
  /** What a list may be ordered by, each ascending or with a hyphen before it descending; the first is the default. */
  readonly sorts?: readonly [string, ...string[]];
  /** The answer's `version` is its ETag, and a change wants to hear it in `If-Match` (RFC 9110 §13.1.1). */
  readonly versioned?: true;
  /** The agent's key may be known from an earlier call: the operation asks itself, in what it writes, whether the key still holds. */
  readonly remembered?: true;
  /** The answer shows a secret: a repetition gets it from where it lies sealed. */
  readonly secret?: true;
}

/** Whether a change must name the version that it is made to. */
export function isConditional({ method, versioned }: Route): boolean {
  return versioned === true && (method === 'PUT' || method === 'PATCH' || method === 'DELETE');
}

/** Gives a declaration its exact type. */
export function route<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType, Answer extends z.ZodType>(
  declaration: Route<Params, Query, Body, Answer>,
): Route<Params, Query, Body, Answer> {
  return declaration;
}

/** No parameters, no query, or no body. */
export const nothing = z.strictObject({});
