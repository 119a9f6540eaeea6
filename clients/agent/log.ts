const levels = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof levels)[number];
export type Log = Readonly<Record<Level, (message: string, facts?: Readonly<Record<string, unknown>>) => void>>;

/** JSON lines on standard output, for whoever collects them. */
export function jsonLog(least: Level, write: (line: string) => void = (line) => process.stdout.write(line)): Log {
  const line =
    (level: Level) =>
    (message: string, facts: Readonly<Record<string, unknown>> = {}): void => {
      if (levels.indexOf(level) < levels.indexOf(least)) return;
      const { error, ...rest } = facts;
      const shown = error === undefined ? {} : { error: error instanceof Error ? `${error.name}: ${error.message}` : 'unknown' };
      write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...rest, ...shown })}\n`);
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}
