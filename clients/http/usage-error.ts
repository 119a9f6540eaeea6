/** A mistake on the command line or in the settings: one line, exit 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
