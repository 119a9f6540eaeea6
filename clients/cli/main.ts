import { CommanderError } from 'commander';
import * as z from 'zod';
import { ApiProblem } from '../http/problem.ts';
import { JobFailed, makeProgram } from './program.ts';
import { UsageError } from '../http/usage-error.ts';

const program = makeProgram(
  {
    width: process.stdout.isTTY ? process.stdout.columns : Infinity,
    env: process.env,
    out: (text) => console.log(text),
    err: (text) => console.error(text),
  },
  process.argv.slice(2),
);
program.exitOverride();
for (const command of program.commands) {
  command.exitOverride();
  for (const child of command.commands) child.exitOverride();
}

/** The exit code of an error, and its line. */
function codeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof z.ZodError) {
    for (const issue of error.issues)
      console.error(`certctl: --${issue.path.map((part) => String(part).replaceAll('_', '-')).join('.')}: ${issue.message}`);
    return 2;
  }
  const { message } = error as Error;
  if (error instanceof ApiProblem) {
    const later = Number.isFinite(error.retryAfter) ? `; try again in ${error.retryAfter} s` : '';
    const hint = error.status === 401 ? ' (give an API key with --token-file or CERTCTL_TOKEN)' : '';
    console.error(`certctl: ${error.code}: ${message}${hint}${later}${error.instance === undefined ? '' : ` [${error.instance}]`}`);
    return error.status === 0 ? 3 : 1;
  }
  console.error(`certctl: ${message}`);
  return error instanceof UsageError ? 2 : error instanceof JobFailed ? 4 : 1;
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = codeOf(error);
}
