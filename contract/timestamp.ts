import * as z from 'zod';

/** RFC 3339, since 1970: the database knows no year 0, and nothing of ours is older. */
export const timestamp = z.iso.datetime({ offset: true }).refine((text) => Date.parse(text) >= 0, 'not before 1970');
