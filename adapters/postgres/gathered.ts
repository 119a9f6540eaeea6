import { CaError } from '#domain/error.ts';

/**
 * Makes one statement of what callers of this process ask for at the same time: those of one turn of the event loop share it, and who comes while `running` statements
 * are under way waits for the next, which takes all that wait. A caller alone waits for nobody. Each gets its answer after the commit that holds its rows; most of a
 * small statement's cost is its start.
 *
 * `run` must be one commit, and must answer in the order of the asks. When it refuses several for something other than `unavailable`, each is tried alone, so that
 * one caller's bad row is that caller's.
 */
export function gathered<Ask, Answer>(
  run: (asks: readonly Ask[]) => Promise<readonly Answer[]>,
  { most, running }: { readonly most: number; readonly running: number },
): (ask: Ask) => Promise<Answer> {
  interface Waiting {
    readonly ask: Ask;
    readonly resolve: (answer: Answer) => void;
    readonly reject: (error: unknown) => void;
  }
  const queue: Waiting[] = [];
  let free = running;

  const settle = async (batch: readonly Waiting[]): Promise<void> => {
    try {
      const answers = await run(batch.map(({ ask }) => ask));
      if (answers.length !== batch.length) throw new Error(`${answers.length} answers to ${batch.length} asks`);
      batch.forEach(({ resolve }, index) => resolve(answers[index] as Answer));
    } catch (error) {
      const isOnesOwn = batch.length > 1 && !(error instanceof CaError && error.code === 'unavailable');
      if (isOnesOwn) await Promise.all(batch.map((one) => settle([one])));
      else for (const { reject } of batch) reject(error);
    }
  };
  let isNear = false;
  const next = (): void => {
    isNear = false;
    while (free > 0 && queue.length > 0) {
      free -= 1;
      void settle(queue.splice(0, most)).finally(() => {
        free += 1;
        soon();
      });
    }
  };
  // Behind what this turn still does: those whose last statement was one ask for the next together.
  const soon = (): void => {
    if (isNear || free === 0) return;
    isNear = true;
    setImmediate(next);
  };
  return (ask) =>
    new Promise((resolve, reject) => {
      queue.push({ ask, resolve, reject });
      soon();
    });
}
