import { expect, test } from 'vitest';
import { CaError } from '#domain/error.ts';
import { gathered } from './gathered.ts';

/** Statements that end when they are told to. */
function statements(): {
  readonly asked: number[][];
  readonly run: (asks: readonly number[]) => Promise<readonly string[]>;
  readonly end: (index: number, error?: Error) => void;
} {
  const asked: number[][] = [];
  const ends: ((error?: Error) => void)[] = [];
  return {
    asked,
    run: (asks) => {
      asked.push([...asks]);
      return new Promise((resolve, reject) =>
        ends.push((error) => (error === undefined ? resolve(asks.map((ask) => `answer ${ask}`)) : reject(error))),
      );
    },
    end: (index, error) => ends[index]?.(error),
  };
}

const settled = async (asks: readonly Promise<string>[]): Promise<readonly string[]> =>
  (await Promise.allSettled(asks)).map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as Error).message));

/** The event loop has come round. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('who is alone goes at once; those who come meanwhile share the next statement, and each gets its own answer', async () => {
  const { asked, run, end } = statements();
  const ask = gathered(run, { most: 10, running: 1 });
  const first = ask(1);
  await turn();
  expect(asked).toEqual([[1]]);
  const second = ask(2);
  await turn();
  const others = [second, ask(3), ask(4)];
  await turn();
  expect(asked).toEqual([[1]]);
  end(0);
  expect(await first).toBe('answer 1');
  await expect.poll(() => asked).toEqual([[1], [2, 3, 4]]);
  end(1);
  expect(await settled(others)).toEqual(['answer 2', 'answer 3', 'answer 4']);
});

test('those whose last statement was one ask for the next together', async () => {
  const { asked, run, end } = statements();
  const ask = gathered(run, { most: 10, running: 2 });
  const twice = [1, 2, 3].map(async (n) => {
    await ask(n);
    return ask(n + 10);
  });
  await turn();
  end(0);
  await expect
    .poll(() => asked)
    .toEqual([
      [1, 2, 3],
      [11, 12, 13],
    ]);
  end(1);
  expect(await settled(twice)).toEqual(['answer 11', 'answer 12', 'answer 13']);
});

test('no statement takes more than it may, and no more run than may', async () => {
  const { asked, run, end } = statements();
  const ask = gathered(run, { most: 2, running: 2 });
  const all = [1, 2, 3, 4, 5].map((n) => ask(n));
  await turn();
  expect(asked).toEqual([
    [1, 2],
    [3, 4],
  ]);
  end(1);
  await expect.poll(() => asked.at(-1)).toEqual([5]);
  end(0);
  end(2);
  expect(await settled(all)).toEqual([1, 2, 3, 4, 5].map((n) => `answer ${n}`));
});

test('given a row that the database refuses, its caller alone hears so', async () => {
  const asked: number[][] = [];
  const ask = gathered(
    async (asks: readonly number[]) => {
      asked.push([...asks]);
      if (asks.includes(3)) throw new Error('duplicate key');
      return asks.map((one) => `answer ${one}`);
    },
    { most: 10, running: 1 },
  );
  expect(await settled([2, 3, 4].map((n) => ask(n)))).toEqual(['answer 2', 'duplicate key', 'answer 4']);
  expect(asked).toEqual([[2, 3, 4], [2], [3], [4]]);
});

test('given a database that is away, all who share the statement hear so, and nothing is said twice', async () => {
  const { asked, run, end } = statements();
  const ask = gathered(run, { most: 10, running: 1 });
  const all = [2, 3].map((n) => ask(n));
  await turn();
  end(0, new CaError('unavailable', 'away'));
  expect(await settled(all)).toEqual(['away', 'away']);
  const later = ask(4);
  await expect.poll(() => asked).toHaveLength(2);
  end(1);
  expect([await later, asked]).toEqual(['answer 4', [[2, 3], [4]]]);
});
