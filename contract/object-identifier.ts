import * as z from 'zod';

/** A dotted OBJECT IDENTIFIER. */
export const dottedOid = z.string().regex(/^[0-2](?:\.\d{1,10}){1,20}$/, 'a dotted OBJECT IDENTIFIER');
