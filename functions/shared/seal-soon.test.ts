import { expect, test } from 'vitest';
import { sealSoon } from './seal-soon.ts';

test('the worker is asked once for what commits within a second, and again for what commits later', async () => {
  let now = 5000;
  const asked: number[] = [];
  const seals = sealSoon({ askSeal: (seconds) => Promise.resolve(void asked.push(now + seconds * 1000)) }, () => now);
  for (const at of [5000, 5001, 5999, 6000, 6500, 9000]) {
    now = at;
    seals.committed();
    await seals.asked();
    // Nothing that has committed lies beyond what somebody will be asked for.
    expect(asked.at(-1)).toBeGreaterThan(at);
  }
  expect(asked).toEqual([6000, 7000, 10_000]);
});

test('a question that could not be sent is asked again with the next row', async () => {
  let tries = 0;
  const seals = sealSoon({ askSeal: () => (tries++ === 0 ? Promise.reject(new Error('away')) : Promise.resolve()) }, () => 5000);
  for (let i = 0; i < 3; i++) {
    seals.committed();
    await seals.asked();
  }
  expect(tries).toBe(2);
});
