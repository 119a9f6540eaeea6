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
    override: ({ zodSchema, jsonSchema }) => {
      // A format says it shorter than the pattern behind it.
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
      const wanted = wantedBy(zodSchema);
      if (jsonSchema.description === undefined && wanted !== undefined) jsonSchema.description = wanted;
    },
  });
  return rest;
}

/** What a refusal by a pattern says that it wants: who reads the schema may know it before. */
function wantedBy(of: z.core.$ZodType): string | undefined {
  for (const check of of._zod.def.checks ?? []) {
    if (check._zod.def.check !== 'string_format') continue;
    const refusal = check._zod.def.error as z.core.$ZodErrorMap | undefined;
    const said = refusal?.({ code: 'invalid_format', format: 'regex', input: '', path: [] });
    const text = typeof said === 'string' ? said : said?.message;
    if (text !== undefined) return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  }
  return undefined;
}

/** The members of an object of the contract; what is no object has none. */
export function membersOf(of: z.ZodType, io: 'input' | 'output' = 'input'): Members {
  const { properties = {}, required = [] } = schema(of, io) as Partial<Members>;
  return { properties, required };
}
