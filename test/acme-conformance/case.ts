import type { Subject } from './subject.ts';

/** One thing that a clause wants of a server. */
export interface Case {
  /** e.g. `RFC 8555 §6.5` */
  readonly clause: string;
  readonly title: string;
  /** How strongly the clause wants it (RFC 2119). */
  readonly level: 'MUST' | 'SHOULD';
  /** Waits for a server that tries again and again: is begun first and runs beside the others. */
  readonly slow: boolean;
  /** Throws `NotApplicable`, or anything else for a failure. */
  readonly run: (subject: Subject) => Promise<void>;
}

export type Run = Case['run'];

export function must(clause: string, title: string, run: Run): Case {
  return { clause, title, level: 'MUST', slow: false, run };
}

export function should(clause: string, title: string, run: Run): Case {
  return { clause, title, level: 'SHOULD', slow: false, run };
}

export function slow(other: Case): Case {
  return { ...other, slow: true };
}

/** How a case is named everywhere. */
export function nameOf({ clause, title }: Pick<Case, 'clause' | 'title'>): string {
  return `${clause} ${title}`;
}
