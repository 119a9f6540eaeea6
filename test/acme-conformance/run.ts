import { nameOf, type Case } from './case.ts';
import type { Section } from './sections.ts';
import type { Subject } from './subject.ts';
import { NotApplicable } from './verdict.ts';

export interface Result {
  readonly section: string;
  readonly case: Case;
  readonly outcome: 'pass' | 'fail' | 'not applicable';
  /** Why it failed or does not apply. */
  readonly reason: string;
  readonly seconds: number;
}

/** Which cases are wanted. */
export interface Selection {
  /** A case is wanted when its name has one of these; none: every case. */
  readonly only: readonly string[];
  readonly mustOnly: boolean;
}

/**
 * Tries a server case by case. Cases that wait for the server's patience run beside the others; the results come in the order of the suite.
 *
 * @param told of each result as it comes
 */
export async function runSuite(
  subject: Subject,
  sections: readonly Section[],
  { only, mustOnly }: Selection,
  told: (result: Result) => void = () => undefined,
): Promise<readonly Result[]> {
  const wanted = sections.flatMap(({ title, cases }) =>
    cases.filter((one) => isWanted(one, only, mustOnly)).map((one) => ({ section: title, one })),
  );
  const begun = new Map<Case, Promise<Result>>();
  for (const { section, one } of wanted) if (one.slow) begun.set(one, tryCase(subject, section, one));
  const results: Result[] = [];
  for (const { section, one } of wanted) {
    const result = await (begun.get(one) ?? tryCase(subject, section, one));
    results.push(result);
    told(result);
  }
  return results;
}

function isWanted(one: Case, only: readonly string[], mustOnly: boolean): boolean {
  if (mustOnly && one.level !== 'MUST') return false;
  return only.length === 0 || only.some((text) => nameOf(one).includes(text));
}

/** A whole case may take so long; one that hangs is a failure, not the end of the run. */
const caseSeconds = 300;

async function tryCase(subject: Subject, section: string, one: Case): Promise<Result> {
  const begin = performance.now();
  const result = (outcome: Result['outcome'], reason: string): Result => ({
    section,
    case: one,
    outcome,
    reason,
    seconds: (performance.now() - begin) / 1000,
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the case did not end within ${caseSeconds} s`)), caseSeconds * 1000);
  });
  try {
    await Promise.race([one.run(subject), late]);
    return result('pass', '');
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return result(error instanceof NotApplicable ? 'not applicable' : 'fail', message);
  } finally {
    clearTimeout(timer);
  }
}
