import { testLimiter, admitted, count } from './limiter.ts';
import type { LimitName, TakenLimit } from '#domain/limit/limits.ts';

// Callers in a process of their own, on its own clock. node caller.ts ENDPOINT TABLE LIMIT CAP KEY CALLERS
const [endpoint = '', name = '', limit = '', cap = '', key = '', callers = ''] = process.argv.slice(2);
const one = testLimiter(
  { endpoint, name },
  {
    counts: { [limit as LimitName]: Number(cap) },
    clock: { nowUs: () => Date.now() * 1000, marginUs: () => 250_000, asking: () => () => undefined },
  },
);
process.once('message', () => {
  const times: number[] = [];
  const call = async (): Promise<boolean> => {
    const ok = await admitted(one.take(limit as TakenLimit, key));
    if (ok) times.push(Date.now());
    return ok;
  };
  void Promise.all(Array.from({ length: Number(callers) }, call)).then((outcomes) => {
    process.send?.({ admitted: count(outcomes), times });
    process.disconnect();
  });
});
process.send?.('ready');
