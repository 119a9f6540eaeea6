import type { HttpAnswer } from './transport.ts';

/** The server did not do what the clause says. */
export class Failure extends Error {
  override readonly name = 'Failure';
}

/** The case says nothing about this server: it lacks the feature, or the suite was not given what the case needs. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable';
}

export function hold(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Failure(message);
}

/** An answer in one line. */
export function show(answer: HttpAnswer): string {
  const text = answer.body.replace(/\s+/g, ' ');
  return `${answer.status} ${answer.headers['content-type'] ?? ''} ${text.length > 300 ? `${text.slice(0, 300)}…` : text}`.trim();
}

export type JsonObject = Readonly<Record<string, unknown>>;

function parsed(answer: HttpAnswer): unknown {
  try {
    return JSON.parse(answer.body);
  } catch {
    return undefined;
  }
}

/** The JSON object of an answer. */
export function objectOf(answer: HttpAnswer): JsonObject {
  const value = parsed(answer);
  hold(typeof value === 'object' && value !== null && !Array.isArray(value), `the answer is no JSON object: ${show(answer)}`);
  return value as JsonObject;
}

const namespace = 'urn:ietf:params:acme:error:';

/** The ACME error of a refusal, without its namespace; empty when there is none. */
export function errorOf(answer: HttpAnswer): string {
  const value = parsed(answer) as { readonly type?: unknown } | null | undefined;
  return typeof value?.type === 'string' && value.type.startsWith(namespace) ? value.type.slice(namespace.length) : '';
}

export function succeeded(what: string, answer: HttpAnswer, status?: number): HttpAnswer {
  const expected = status === undefined ? answer.status >= 200 && answer.status < 300 : answer.status === status;
  hold(expected, `${what} should be answered with ${status ?? '2xx'}, not ${show(answer)}`);
  return answer;
}

/** @param errors any of which will do; none: any refusal does */
export function refused(what: string, answer: HttpAnswer, ...errors: readonly string[]): void {
  hold(answer.status >= 400 && answer.status < 500, `${what} should be refused, not answered with ${show(answer)}`);
  hold(errors.length === 0 || errors.includes(errorOf(answer)), `${what} should be refused as ${errors.join(' or ')}, not ${show(answer)}`);
}

export function textOf(object: JsonObject, name: string): string {
  const value = object[name];
  hold(typeof value === 'string', `${name} should be a string in ${JSON.stringify(object).slice(0, 300)}`);
  return value;
}

export function listOf(object: JsonObject, name: string): readonly unknown[] {
  const value = object[name];
  hold(Array.isArray(value), `${name} should be an array in ${JSON.stringify(object).slice(0, 300)}`);
  return value as readonly unknown[];
}

export function textsOf(object: JsonObject, name: string): readonly string[] {
  const values = listOf(object, name);
  hold(
    values.every((value) => typeof value === 'string'),
    `${name} should be an array of strings`,
  );
  return values;
}

/** A time of RFC 3339. */
export function timeOf(object: JsonObject, name: string): Date {
  const text = textOf(object, name);
  const shape = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
  hold(shape.test(text) && !Number.isNaN(Date.parse(text)), `${name} should be a time of RFC 3339, not ${text}`);
  return new Date(text);
}

/** URLs of a Link header that have a relation (RFC 8288). */
export function linksOf(answer: HttpAnswer, relation: string): readonly string[] {
  const header = answer.headers['link'] ?? '';
  return [...header.matchAll(/<([^>]*)>((?:\s*;\s*[^;,<"]+(?:"[^"]*")?)*)/g)].flatMap(([, url = '', parameters = '']) =>
    new RegExp(`;\\s*rel="?(?:[^";]*\\s)?${relation}(?:\\s[^";]*)?"?\\s*(;|$)`, 'i').test(parameters) ? [url] : [],
  );
}
