import { account, register } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { certIdOf, leafOf } from '../certificate.ts';
import { post, resource, type Client } from '../client.ts';
import { certificate, issue, orderPayload } from '../order.ts';
import { dns, freshName, type Identifier, type Issued, type Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { hold, NotApplicable, objectOf, refused, show, succeeded } from '../verdict.ts';

const clause = 'RFC 9773 §5';

function certId(subject: Subject, { download }: Issued): string {
  resource(subject.connection, 'renewalInfo');
  const id = certIdOf(leafOf(download.body));
  if (id === undefined) throw new NotApplicable('the certificate has no authority key identifier');
  return id;
}

function replacing(subject: Subject, client: Client, identifiers: readonly Identifier[], replaces: unknown): Promise<HttpAnswer> {
  return post(client, resource(subject.connection, 'newOrder'), { ...orderPayload(subject, identifiers), replaces });
}

export const replaces: readonly Case[] = [
  must(clause, 'an order that replaces a certificate says so', async (subject) => {
    resource(subject.connection, 'renewalInfo');
    const client = await account(subject);
    const issued = await issue(subject, client);
    const id = certId(subject, issued);
    const order = objectOf(succeeded('newOrder', await replacing(subject, client, issued.order.identifiers, id)));
    hold(order['replaces'] === id, `replaces is ${JSON.stringify(order['replaces'])}`);
  }),
  must(clause, 'a certificate that was replaced is alreadyReplaced, status 409', async (subject) => {
    resource(subject.connection, 'renewalInfo');
    const client = await account(subject);
    const issued = await issue(subject, client);
    const id = certId(subject, issued);
    await issue(subject, client, issued.order.identifiers, { replaces: id });
    const again = await replacing(subject, client, issued.order.identifiers, id);
    refused('the second order', again, 'alreadyReplaced');
    hold(again.status === 409, `the answer is ${show(again)}`);
  }),
  must(clause, 'replaces that is no certificate identifier is refused', async (subject) => {
    const client = await account(subject);
    certId(subject, await certificate(subject));
    refused('newOrder', await replacing(subject, client, [dns(freshName(subject))], 'no identifier'));
  }),
  should(clause, 'the certificate of another account is not replaced', async (subject) => {
    const issued = await certificate(subject);
    const id = certId(subject, issued);
    refused('newOrder', await replacing(subject, await register(subject), issued.order.identifiers, id));
  }),
  should(clause, 'a certificate with none of the names of the order is not replaced', async (subject) => {
    const id = certId(subject, await certificate(subject));
    refused('newOrder', await replacing(subject, await account(subject), [dns(freshName(subject))], id));
  }),
];
