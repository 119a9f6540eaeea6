import { mkdir, open, readdir, readFile, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { TargetFailure, reasonOf } from './failure.ts';
import { steps, type FailureClass, type Step } from './target.ts';

const headSchema = z.object({
  certificateId: z.string(),
  versionId: z.string(),
  targetId: z.string(),
  targetType: z.string(),
  config: z.unknown(),
  expected: z.object({ fingerprint: z.string(), chainFingerprints: z.array(z.string()), keyType: z.string() }),
  record: z.unknown(),
});

/** What a deployment is about; written before its first step. */
export type JournalHead = z.infer<typeof headSchema>;

const stepSchema = z.object({
  step: z.enum(steps),
  failure: z.object({ failureClass: z.string(), message: z.string() }).optional(),
});

/** An unfinished deployment and the last step that it had begun. */
export interface JournalEntry {
  readonly head: JournalHead;
  readonly step: Step;
  /** Why it was being rolled back. */
  readonly failure: { readonly failureClass: FailureClass; readonly message: string } | undefined;
}

/** The journal of one running deployment. */
export interface Journal {
  /** Written down to the disk before the step begins. */
  begin(step: Step, failure?: TargetFailure): Promise<void>;
  /** The deployment is over and leaves no work to a restart. */
  remove(): Promise<void>;
  /** Leaves the journal for the next start. */
  close(): Promise<void>;
}

/**
 * Starts the journal of a target; there is at most one.
 *
 * @throws {TargetFailure} `write`
 */
export async function createJournal(stateDir: string, head: JournalHead): Promise<Journal> {
  const path = journalPath(stateDir, head.targetId);
  try {
    await mkdir(join(stateDir, 'journal'), { recursive: true, mode: 0o700 });
    const file = await open(path, 'wx', 0o600);
    try {
      await writeLine(file, head);
      await syncFolder(join(stateDir, 'journal'));
    } catch (error) {
      await file.close();
      await unlink(path);
      throw error;
    }
    return journalOf(path, file);
  } catch (cause) {
    throw new TargetFailure('write', `the journal cannot be written: ${reasonOf(cause)}`, { cause });
  }
}

/** Goes on with the journal that a crash left. */
export async function reopenJournal(stateDir: string, targetId: string): Promise<Journal> {
  const path = journalPath(stateDir, targetId);
  return journalOf(path, await open(path, 'a'));
}

function journalOf(path: string, file: FileHandle): Journal {
  return {
    begin: (step, failure) =>
      writeLine(file, { step, ...(failure && { failure: { failureClass: failure.failureClass, message: failure.message } }) }),
    close: () => file.close(),
    remove: async () => {
      await file.close();
      await unlink(path);
    },
  };
}

/** The unfinished deployment of a target, if there is one. */
export async function readJournal(stateDir: string, targetId: string): Promise<JournalEntry | undefined> {
  let text: string;
  try {
    text = await readFile(journalPath(stateDir, targetId), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TargetFailure('write', `the journal cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  // The last line may be torn: its step had not begun.
  const [first, ...more] = text.split('\n').slice(0, -1);
  const head = headSchema.safeParse(json(first));
  if (!head.success) return undefined;
  let entry: JournalEntry = { head: head.data, step: 'stage', failure: undefined };
  for (const line of more) {
    const parsed = stepSchema.safeParse(json(line));
    if (!parsed.success) break;
    const failure = parsed.data.failure as JournalEntry['failure'];
    entry = { ...entry, step: parsed.data.step, failure: failure ?? entry.failure };
  }
  return entry;
}

/** The targets that have a journal. */
export async function journalledTargets(stateDir: string): Promise<readonly string[]> {
  const names = await readdir(join(stateDir, 'journal')).catch(() => []);
  return names.flatMap((name) => (name.endsWith(suffix) ? [name.slice(0, -suffix.length)] : []));
}

/** Removes a journal whose first line was never finished: nothing had begun. */
export async function removeJournal(stateDir: string, targetId: string): Promise<void> {
  await unlink(journalPath(stateDir, targetId)).catch(() => undefined);
}

const suffix = '.journal';

function journalPath(stateDir: string, targetId: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/.test(targetId)) throw new TargetFailure('validate', 'the target has no usable identifier');
  return join(stateDir, 'journal', targetId + suffix);
}

async function writeLine(file: FileHandle, value: unknown): Promise<void> {
  await file.appendFile(`${JSON.stringify(value)}\n`);
  await file.datasync();
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function json(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
