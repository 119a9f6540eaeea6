/** Where a list was left: the sort key of its last row as the database writes it, and the row that has it. */
export interface Position {
  readonly key: string;
  readonly id: string;
}

/** A part of a list. */
export interface PageRequest {
  /** One of those that the list declares. */
  readonly sort: string;
  readonly descending: boolean;
  /** Undefined: from the beginning. */
  readonly after: Position | undefined;
  readonly limit: number;
}

/** What a part of a list holds, and where it goes on; undefined at its end. */
export interface Slice<Row> {
  readonly rows: readonly Row[];
  readonly next: Position | undefined;
}
