/** A strict cap: never more than `count` in any window of `windowUs`. Each of its slots admits once a window. */
export interface Cap {
  readonly count: number;
  /** Microseconds. */
  readonly windowUs: number;
}

/** Until when each slot is taken, microseconds since the epoch; a slot never used is undefined. */
export type Slots = readonly (number | undefined)[];

/** One item holds at most so many, which keeps it below one write unit. */
export const slotsPerItem = 64;

/** How many slots each item of a cap has. */
export function itemSizes(cap: Cap): readonly number[] {
  const items = Math.ceil(cap.count / slotsPerItem);
  return Array.from({ length: items }, (_, item) => Math.floor(cap.count / items) + (item < cap.count % items ? 1 : 0));
}

/** The numbers of the slots that may be tried. */
export function freeSlots(slots: Slots, nowUs: number): readonly number[] {
  const free: number[] = [];
  // For every request that is limited: an array for each slot was a thirtieth of what one costs.
  slots.forEach((until, slot) => {
    if (until === undefined || until <= nowUs) free.push(slot);
  });
  return free;
}

/** Whole seconds, rounded up, until the first slot of a full item is free; at least 1. */
export function secondsUntilFree(slots: Slots, nowUs: number): number {
  const first = Math.min(...slots.map((until) => until ?? nowUs));
  return Math.max(1, Math.ceil((first - nowUs) / 1_000_000));
}
