/** The time that limiters reckon with: this machine's, or, where that is wrong, the table's. */
export interface LimitClock {
  /** Microseconds since the epoch. */
  nowUs(): number;
  /** How much longer than its window a slot is held, in microseconds, for what clocks may differ by. */
  marginUs(): number;
  /** A request leaves; call the result with its answer's Date header. */
  asking(): (date: string | undefined) => void;
}

const skewMs = 2000;
const marginUs = 250_000;

/**
 * @param now milliseconds since the epoch
 * @param skewed told by how many milliseconds the machine's clock is ahead, each time that it is found more than 2 s off
 */
export function limitClock(now: () => number, skewed: (milliseconds: number) => void): LimitClock {
  let offsetMs = 0;
  return {
    nowUs: () => (now() + offsetMs) * 1000,
    // A Date header tells the second only.
    marginUs: () => marginUs + (offsetMs === 0 ? 0 : 1_000_000),
    asking() {
      const sentMs = now();
      return (date) => {
        const second = Date.parse(date ?? '');
        if (Number.isNaN(second)) return;
        const receivedMs = now();
        // Between the moment that it was sent and the moment that it was received, some time lay in that second.
        const ahead = Math.max(0, sentMs - (second + 1000)) - Math.max(0, second - receivedMs);
        offsetMs = Math.abs(ahead) > skewMs ? second - receivedMs : 0;
        if (offsetMs !== 0) skewed(ahead);
      };
    },
  };
}
