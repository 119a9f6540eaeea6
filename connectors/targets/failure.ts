import type { FailureClass } from './target.ts';

/** A step of a deployment that did not succeed; the message is for people and names no secret. */
export class TargetFailure extends Error {
  override readonly name = 'TargetFailure';
  readonly failureClass: FailureClass;
  constructor(failureClass: FailureClass, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failureClass = failureClass;
  }
}

/** The failure behind an error, of the given class when it has none of its own. */
export function failureOf(error: unknown, failureClass: FailureClass): TargetFailure {
  if (error instanceof TargetFailure) return error;
  return new TargetFailure(failureClass, reasonOf(error), { cause: error });
}

/** A text for people; system errors by their code and path, everything foreign by its name alone. */
export function reasonOf(error: unknown): string {
  if (error instanceof TargetFailure) return error.message;
  if (!(error instanceof Error)) return 'unknown error';
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (code === undefined) return `unexpected ${error.name}`;
  return [syscall, path, code].filter((part) => part !== undefined).join(' ');
}

const privateKeys = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g;

/** A detail that may leave the host: bounded, printable, no private key and none of the given secrets in it. */
export function safeDetail(text: string, secrets: readonly string[] = []): string {
  let safe = text.replace(privateKeys, '[private key]');
  for (const secret of secrets) if (secret !== '') safe = safe.replaceAll(secret, '[secret]');
  return safe.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, ' ').slice(0, 2000);
}
