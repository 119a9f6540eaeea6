import { account } from './account.ts';
import { firstAuthorization, wantingProof } from './order.ts';
import { judged, offered, present, type ChallengeType, type Offered, type Shown } from './proof.ts';
import type { Subject } from './subject.ts';
import { hold, type JsonObject } from './verdict.ts';

/** An answer to a challenge of a fresh order, and what the server made of it. */
export async function tried(
  subject: Subject,
  type: ChallengeType,
  shown: (challenge: Offered) => Shown = () => ({}),
): Promise<{ readonly challenge: Offered; readonly authorization: JsonObject }> {
  const client = await account(subject);
  const challenge = await offered(subject, client, firstAuthorization(await wantingProof(subject, client)), type);
  await present(subject, challenge, shown(challenge));
  return { challenge, authorization: await judged(subject, client, challenge, Math.max(subject.patience, 120)) };
}

export function isProven({ authorization }: { readonly authorization: JsonObject }): void {
  hold(authorization['status'] === 'valid', `the authorization is ${JSON.stringify(authorization)}`);
}

export function isRefuted({ authorization }: { readonly authorization: JsonObject }): void {
  hold(authorization['status'] === 'invalid', `the authorization is ${JSON.stringify(authorization)}`);
}
