import { writeFileSync } from 'node:fs';
import { help, readOptions } from './options.ts';
import { junit, line, summary } from './report.ts';
import { runSuite } from './run.ts';
import { sections } from './sections.ts';
import { openSession, startResponders } from './session.ts';

/** Tries a server and says what it found; the exit code. */
async function main(args: readonly string[]): Promise<0 | 1 | 2> {
  let options;
  try {
    options = readOptions(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message.split('\n')[0] ?? ''}; --help shows the options\n`);
    return 2;
  }
  if (options === 'help') {
    process.stdout.write(help);
    return 0;
  }
  const responders = await startResponders(options);
  try {
    const session = await openSession(options, responders);
    try {
      const results = await runSuite(session.subject, sections, options, (result) => process.stdout.write(`${line(result)}\n`));
      if (results.length === 0) throw new Error('no case has such a name');
      process.stdout.write(`\n${summary(results)}\n`);
      if (options.junit !== undefined) writeFileSync(options.junit, junit(results));
      return results.some(({ outcome }) => outcome === 'fail') ? 1 : 0;
    } finally {
      session.close();
    }
  } finally {
    await responders.close();
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`the server could not be tried: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
