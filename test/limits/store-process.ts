import { ownTable } from './table.ts';

// The store in a process of its own, so that it can be killed. node store-process.ts FILE
const table = await ownTable(process.argv[2]);
process.send?.(table.endpoint);
