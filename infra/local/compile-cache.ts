import { join } from 'node:path';

/** Where Node keeps what it has stripped of types and compiled: half of the start of a program that is not bundled. */
export const compileCache = join(import.meta.dirname, '..', '..', '.build', 'compile-cache');
