import * as z from 'zod';

export type Json = Readonly<Record<string, unknown>>;

/** What an object may hold, each by its JSON Schema, and what it must hold. */
export interface Members {
  readonly properties: Readonly<Record<string, Json>>;
  readonly required: readonly string[];
}

/** JSON Schema (draft 2020-12) of a schema of the contract. */
export function schema(of: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(of, {
    io,
    target: 'draft-2020-12',
    // A format says it shorter than the pattern behind it.
    override: ({ jsonSchema }) => {
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
    },
  });
  return rest;
}

/** The members of an object of the contract; what is no object has none. */
export function membersOf(of: z.ZodType, io: 'input' | 'output' = 'input'): Members {
  const { properties = {}, required = [] } = schema(of, io) as Partial<Members>;
  return { properties, required };
}
