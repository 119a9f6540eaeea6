import { account } from '../account.ts';
import { must, type Case } from '../case.ts';
import { post, resource } from '../client.ts';
import { firstAuthorization, orderPayload } from '../order.ts';
import { freshName, type Identifier, type Subject } from '../subject.ts';
import { hold, NotApplicable, objectOf, refused, succeeded, textsOf, type JsonObject } from '../verdict.ts';

const clause = 'RFC 9444 §4';

function assertOffered({ connection }: Subject): void {
  const meta = (connection.directory['meta'] ?? {}) as JsonObject;
  if (meta['subdomainAuthAllowed'] !== true) throw new NotApplicable('the directory does not say subdomainAuthAllowed');
}

async function ordering(subject: Subject, value: string, ancestorDomain: string): ReturnType<typeof post> {
  const identifier = { type: 'dns', value, ancestorDomain };
  return post(await account(subject), resource(subject.connection, 'newOrder'), orderPayload(subject, [identifier]));
}

export const subdomains: readonly Case[] = [
  must('RFC 9444 §4.3', 'subdomainAuthAllowed of the directory is a boolean', async ({ connection }) => {
    const meta = (connection.directory['meta'] ?? {}) as JsonObject;
    if (!('subdomainAuthAllowed' in meta)) throw new NotApplicable('the directory does not have it');
    hold(typeof meta['subdomainAuthAllowed'] === 'boolean', `it is ${JSON.stringify(meta['subdomainAuthAllowed'])}`);
  }),
  must(clause, 'the authorization of an order with an ancestor domain is for the name or for that domain', async (subject) => {
    assertOffered(subject);
    const parent = freshName(subject);
    const order = objectOf(succeeded('newOrder', await ordering(subject, `host.${parent}`, parent), 201));
    const url = firstAuthorization({ url: '', body: order, identifiers: [] });
    const authorization = objectOf(await post(await account(subject), url));
    const { value } = authorization['identifier'] as Identifier;
    hold(value === parent || value === `host.${parent}`, `the authorization is for ${value}`);
    hold(
      value !== parent || authorization['subdomainAuthAllowed'] === true,
      'the authorization of an ancestor should say subdomainAuthAllowed',
    );
    hold(textsOf(order, 'authorizations').length === 1, 'one identifier should have one authorization');
  }),
  must(clause, 'an ancestor domain that is none of the name’s is refused', async (subject) => {
    assertOffered(subject);
    refused('newOrder', await ordering(subject, freshName(subject), freshName(subject)));
  }),
];
