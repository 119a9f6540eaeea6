/** What the domain cannot know by itself: the time, and numbers nobody can guess. */
export interface Chance {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Cryptographically random bytes. */
  random(bytes: number): Uint8Array;
}
