declare module 'dynalite' {
  import type { Server } from 'node:http';
  /** A DynamoDB in memory; the server listens when told so. */
  export default function dynalite(options?: { readonly createTableMs?: number; readonly deleteTableMs?: number }): Server;
}
