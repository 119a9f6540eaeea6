import { mayGrant, type Caller, type Grant } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';

/** @throws {CaError} `unauthorized` for a grant that reaches further than its giver */
export function assertMayGrant(caller: Caller | undefined, grant: Grant): void {
  if (caller === undefined || !mayGrant(caller, grant))
    throw new CaError('unauthorized', `${grant.role} reaches further than your own rights: nobody can give what they do not have`);
}
