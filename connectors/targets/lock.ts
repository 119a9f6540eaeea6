const tails = new Map<string, Promise<unknown>>();

/** Runs one at a time whatever shares a name; names are taken in one order, so that nobody waits for each other. */
export async function exclusively<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
  const [name, ...rest] = [...new Set(names)].sort();
  if (name === undefined) return work();
  const turn = (tails.get(name) ?? Promise.resolve()).then(() => exclusively(rest, work));
  const tail = turn.catch(() => undefined);
  tails.set(name, tail);
  try {
    return await turn;
  } finally {
    if (tails.get(name) === tail) tails.delete(name);
  }
}
