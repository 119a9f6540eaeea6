import { account, register, stranger } from '../account.ts';
import { must, type Case } from '../case.ts';
import { leafOf } from '../certificate.ts';
import { post, resource, type Client } from '../client.ts';
import { base64url, makeKey } from '../key.ts';
import { certificate, issue, pendingOrder, provenOrder } from '../order.ts';
import { newClient, type Issued, type Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { refused, succeeded, type JsonObject } from '../verdict.ts';

const clause = 'RFC 8555 §7.6';

function revoke(subject: Subject, client: Client, { download }: Issued, more: JsonObject = {}): Promise<HttpAnswer> {
  return post(client, resource(subject.connection, 'revokeCert'), { certificate: base64url(leafOf(download.body)), ...more });
}

export const revocation: readonly Case[] = [
  must(clause, 'the account that ordered a certificate revokes it', async (subject) => {
    const client = await account(subject);
    succeeded('the revocation', await revoke(subject, client, await issue(subject, client), { reason: 4 }), 200);
  }),
  must(clause, 'a certificate that is revoked already is alreadyRevoked', async (subject) => {
    const client = await account(subject);
    const issued = await issue(subject, client);
    succeeded('the revocation', await revoke(subject, client, issued), 200);
    refused('the second revocation', await revoke(subject, client, issued), 'alreadyRevoked');
  }),
  must(clause, 'the key of a certificate revokes it', async (subject) => {
    const issued = await issue(subject, await account(subject));
    succeeded('the revocation', await revoke(subject, newClient(subject, issued.key), issued, { reason: 1 }), 200);
  }),
  must(clause, 'an account with valid authorizations for all its names revokes a certificate', async (subject) => {
    // An authorization that nobody had to earn gives no such right.
    await pendingOrder(subject);
    const other = await register(subject);
    const issued = await issue(subject, await account(subject));
    await provenOrder(subject, other, issued.order.identifiers);
    succeeded('the revocation', await revoke(subject, other, issued), 200);
  }),
  must(clause, 'an account that has nothing to do with a certificate does not revoke it: unauthorized', async (subject) => {
    refused('the revocation', await revoke(subject, await stranger(subject), await certificate(subject)), 'unauthorized');
  }),
  must(clause, 'a key that is neither an account’s nor the certificate’s revokes nothing', async (subject) => {
    refused('the revocation', await revoke(subject, newClient(subject, makeKey()), await certificate(subject)));
  }),
  must(clause, 'a certificate that the server did not make is refused', async (subject) => {
    const client = await account(subject);
    const der = Buffer.from(leafOf((await certificate(subject)).download.body));
    // The last octet of the signature.
    der.writeUInt8((der.at(-1) ?? 0) ^ 1, der.length - 1);
    refused('the revocation', await post(client, resource(subject.connection, 'revokeCert'), { certificate: base64url(der) }));
  }),
  must(clause, 'what is no certificate is refused', async (subject) => {
    const client = await account(subject);
    refused('the revocation', await post(client, resource(subject.connection, 'revokeCert'), { certificate: 'bm8gY2VydGlmaWNhdGU' }));
  }),
  must(clause, 'a reason that RFC 5280 does not know is badRevocationReason', async (subject) => {
    const client = await account(subject);
    const issued = await issue(subject, client);
    for (const reason of [7, 99]) refused(`the reason ${reason}`, await revoke(subject, client, issued, { reason }), 'badRevocationReason');
  }),
];
