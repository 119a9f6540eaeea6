/**
 * Why a program of PostgreSQL ended, from what it said: the line of its failure, which others about cleaning up follow; the last one where none is such a line.
 *
 * @param said its standard error
 */
export function postgresReason(said: string): string {
  const lines = said
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.find((line) => /\b(FATAL|PANIC|error):/.test(line)) ?? lines.at(-1) ?? '';
}
