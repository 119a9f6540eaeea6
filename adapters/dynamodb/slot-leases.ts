import { freeSlots, itemSizes, secondsUntilFree, type Cap, type Slots } from '#domain/limit/slots.ts';
import type { LimitClock } from './limit-clock.ts';
import type { LimitBudget, LimitItem, LimitTable } from './limit-table.ts';
import { Contended, type Verdict } from './verdict.ts';

/** A slot that is held: in which item, which one, and the value that says so. */
export interface HeldSlot {
  readonly pk: string;
  readonly name: string;
  readonly untilUs: number;
}

export type SlotVerdict =
  (Verdict & { readonly admitted: true; readonly held: HeldSlot }) | (Verdict & { readonly admitted: false; readonly newestUs: number });

export type LookVerdict = Exclude<SlotVerdict, { readonly admitted: true }> | (Verdict & { readonly admitted: true });

export interface SlotLeases {
  /** @param pk without the number of the item */
  take(pk: string, cap: Cap): Promise<SlotVerdict>;
  /** What `take` would find, without taking. */
  look(pk: string, cap: Cap): Promise<LookVerdict>;
  /** Frees a slot that is still held by its taker; false when it was not any more. */
  release(held: HeldSlot): Promise<boolean>;
}

const keptSeconds = 3600;
// A cap of more than 64 has several items; a full one is followed by so many others before it is a refusal.
const maxItems = 4;

/**
 * Strict caps by slot leases. A slot is taken by one conditional update and admits once a window, whoever asks when; an item's slots
 * together never admit more than there are.
 *
 * @param random a number from 0 up to and without `below`
 */
export function slotLeases(table: LimitTable, clock: LimitClock, random: (below: number) => number): SlotLeases {
  const full = (slots: Slots, cap: Cap, nowUs: number, attempts: number): SlotVerdict & { readonly admitted: false } => ({
    admitted: false,
    retryAfterSeconds: secondsUntilFree(slots, nowUs),
    attempts,
    newestUs: Math.max(...slots.map((until) => until ?? 0)) - cap.windowUs - clock.marginUs(),
  });

  const lookIn = async (pk: string, size: number, cap: Cap, budget: LimitBudget): Promise<LookVerdict> => {
    const slots = slotsOf(await table.read(pk, budget), size);
    const nowUs = clock.nowUs();
    const remaining = freeSlots(slots, nowUs).length;
    return remaining > 0 ? { admitted: true, remaining, attempts: 0 } : full(slots, cap, nowUs, 0);
  };

  /** One item after the other, until one has room. */
  const inItems = async <T extends LookVerdict>(
    pk: string,
    cap: Cap,
    ask: (pk: string, size: number, cap: Cap, budget: LimitBudget) => Promise<T>,
  ): Promise<T> => {
    const budget = table.budget();
    const sizes = itemSizes(cap);
    const first = random(sizes.length);
    let refusal: T | undefined;
    for (let turn = 0; turn < Math.min(sizes.length, maxItems); turn++) {
      const item = (first + turn) % sizes.length;
      const verdict = await ask(`${pk}#${item}`, sizes[item] ?? 1, cap, budget);
      if (verdict.admitted) return verdict;
      if (refusal === undefined || refusal.admitted || verdict.retryAfterSeconds < refusal.retryAfterSeconds) refusal = verdict;
    }
    if (refusal === undefined) throw new Error('a cap without slots');
    return refusal;
  };

  const takeIn = async (pk: string, size: number, cap: Cap, budget: LimitBudget): Promise<SlotVerdict> => {
    let slot = random(size);
    for (let attempts = 1; attempts <= size + 2; attempts++) {
      const nowUs = clock.nowUs();
      const untilUs = nowUs + cap.windowUs + clock.marginUs();
      const name = `s${slot}`;
      const { done, item } = await table.update(
        pk,
        {
          UpdateExpression: 'SET #slot = :until, #exp = :exp',
          ConditionExpression: 'attribute_not_exists(#slot) OR #slot <= :now',
          ExpressionAttributeNames: { '#slot': name, '#exp': 'exp' },
          ExpressionAttributeValues: {
            ':until': { N: String(untilUs) },
            ':now': { N: String(nowUs) },
            ':exp': { N: String(Math.ceil(untilUs / 1_000_000) + keptSeconds) },
          },
        },
        budget,
      );
      const slots = slotsOf(item, size);
      const free = freeSlots(slots, nowUs);
      if (done) return { admitted: true, remaining: free.length, attempts, held: { pk, name, untilUs } };
      const next = free[random(free.length)];
      if (next === undefined) {
        return full(slots, cap, nowUs, attempts);
      }
      slot = next;
    }
    throw new Contended(size + 2);
  };

  return {
    take: (pk, cap) => inItems(pk, cap, takeIn),
    look: (pk, cap) => inItems(pk, cap, lookIn),
    async release(held) {
      const { done } = await table.update(
        held.pk,
        {
          UpdateExpression: 'REMOVE #slot',
          ConditionExpression: '#slot = :until',
          ExpressionAttributeNames: { '#slot': held.name },
          ExpressionAttributeValues: { ':until': { N: String(held.untilUs) } },
        },
        table.budget(),
      );
      return done;
    },
  };
}

/** Slots beyond the cap are ignored: a lower cap holds at once. */
function slotsOf(item: LimitItem, size: number): (number | undefined)[] {
  return Array.from({ length: size }, (_, slot) => {
    const text = item[`s${slot}`]?.N;
    return text === undefined ? undefined : Number(text);
  });
}
