import type * as z from 'zod';
import type { Command } from './command.ts';
import type { Verify } from './endpoint.ts';
import type { Material } from './material.ts';
import type { HostRules } from './target.ts';

/**
 * What one deployment does to one target, a step at a time. The process may end between any two and inside each; `record` is in the journal
 * before the first, and a change made again from it undoes or goes on.
 */
export interface Change {
  /** JSON; names secrets by reference only. */
  readonly record: unknown;
  /** Whether something was there that `restore` can bring back. */
  readonly replaces: boolean;
  /** False: nothing serves it yet, so nobody can look over TLS, whatever the configuration says. */
  readonly isServed?: boolean;
  /** What the target itself calls its certificate by now, where it gives names; the platform keeps it. */
  reference?(): string | undefined;
  /** For people, after success. */
  note?(): string | undefined;
  /** Copies of what was there, for an operator. */
  backups(): Promise<readonly string[]>;
  /** Whether everything is as the change wants it. */
  holds(): Promise<boolean>;
  /** Saves what is there and puts the new beside it; nothing that the server reads changes. */
  stage(): Promise<void>;
  /** The server's own judgement on what was staged, where it can judge that. */
  checkStaged(): Promise<void>;
  commit(): Promise<void>;
  /** The server's own judgement before it is told. */
  check(): Promise<void>;
  reload(): Promise<void>;
  /** Brings back what was there; may be called again after it was interrupted. */
  restore(): Promise<void>;
  /** Removes what `stage` left. */
  discard(): Promise<void>;
  /** Removes what is no longer needed after success. */
  settle(): Promise<void>;
}

/** What a configuration asks of the host. */
export interface Demands {
  readonly paths: readonly string[];
  readonly commands: readonly Command[];
  /** A path that is a link stands for the file that it leads to. */
  readonly followLinks?: boolean;
  /** What is no file of this host, by its address. */
  readonly addresses?: readonly string[];
}

/** What a change is about, besides its material. */
export interface About {
  readonly targetId: string;
  readonly certificateId: string;
  /** What {@link Change.reference} said in an earlier deployment. */
  readonly reference: string | undefined;
}

/** A kind of server that certificates are deployed to. */
export interface Target<C> {
  readonly config: z.ZodType<C>;
  demands(config: C): Demands;
  verify(config: C): Verify;
  begin(config: C, material: Material, rules: HostRules, about: About): Promise<Change>;
  /** The change of a record that a crash left in the journal. */
  resume(config: C, record: unknown, rules: HostRules): Promise<Change>;
  /** Reaches the server without changing anything; throws when it cannot be used. */
  probe?(config: C, rules: HostRules, reference?: string): Promise<void>;
  /** The fingerprint of what is stored, where nothing can be seen over TLS. */
  stored?(config: C, rules: HostRules, reference?: string): Promise<string | undefined>;
}
