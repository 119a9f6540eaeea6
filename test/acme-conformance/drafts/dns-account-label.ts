import { account, stranger } from '../account.ts';
import { isProven, isRefuted, tried } from '../attempt.ts';
import { must, slow, type Case } from '../case.ts';
import { firstAuthorization, wantingProof } from '../order.ts';
import { accountLabel, judged, offered, present } from '../proof.ts';
import { hold } from '../verdict.ts';

const clause = 'draft-ietf-acme-dns-account-label §3';

export const accountLabels: readonly Case[] = [
  must(clause, 'dns-account-01 with the digest at the account’s label proves a name', async (subject) =>
    isProven(await tried(subject, 'dns-account-01')),
  ),
  must(clause, 'dns-account-01 asks for TXT records at the account’s label below _acme-challenge', async (subject) => {
    const { challenge } = await tried(subject, 'dns-account-01');
    const question = `TXT ${accountLabel(challenge.account)}._acme-challenge.${challenge.identifier.value}`;
    hold(subject.zone?.asked.includes(question) === true, `nobody asked for ${question}`);
  }),
  slow(
    must(clause, 'the digest at the label of another account proves nothing', async (subject) => {
      const client = await account(subject);
      const challenge = await offered(subject, client, firstAuthorization(await wantingProof(subject, client)), 'dns-account-01');
      await present(subject, { ...challenge, account: (await stranger(subject)).kid });
      isRefuted({ authorization: await judged(subject, client, challenge, Math.max(subject.patience, 120)) });
    }),
  ),
];
