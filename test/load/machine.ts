import { availableParallelism, totalmem } from 'node:os';

/** What figures were measured on: without it they say nothing. */
export const machine = { node: process.version, cores: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30) };
