/** Something that the person at the keyboard can mend: one line, exit status 2, no stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
