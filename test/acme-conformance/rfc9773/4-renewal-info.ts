import { account } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { certIdOf, leafOf } from '../certificate.ts';
import { resource } from '../client.ts';
import { certificate } from '../order.ts';
import type { Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { hold, NotApplicable, objectOf, refused, show, succeeded, timeOf, type JsonObject } from '../verdict.ts';

/** The identifier of the shared certificate. */
async function certId(subject: Subject): Promise<string> {
  resource(subject.connection, 'renewalInfo');
  const id = certIdOf(leafOf((await certificate(subject)).download.body));
  if (id === undefined) throw new NotApplicable('the certificate has no authority key identifier');
  return id;
}

function ask({ connection }: Subject, id: string): Promise<HttpAnswer> {
  return connection.transport({ url: `${resource(connection, 'renewalInfo').replace(/\/$/, '')}/${id}`, method: 'GET', headers: {} });
}

async function renewalInfo(subject: Subject): Promise<HttpAnswer> {
  return succeeded('the question for renewal', await ask(subject, await certId(subject)), 200);
}

async function suggested(subject: Subject): Promise<{ readonly start: Date; readonly end: Date }> {
  const window = objectOf(await renewalInfo(subject))['suggestedWindow'] as JsonObject | undefined;
  hold(typeof window === 'object', 'there is no suggestedWindow');
  return { start: timeOf(window, 'start'), end: timeOf(window, 'end') };
}

export const renewalInfos: readonly Case[] = [
  must('RFC 9773 §4.1', 'anybody may ask when a certificate is to be renewed', async (subject) => {
    await account(subject);
    objectOf(await renewalInfo(subject));
  }),
  must('RFC 9773 §4.1', 'an identifier with padding is refused', async (subject) => {
    const id = await certId(subject);
    const [issuer = '', serial = ''] = id.split('.');
    refused('the question', await ask(subject, `${issuer}%3D.${serial}%3D`));
  }),
  must('RFC 9773 §4.1', 'an identifier of another certificate authority is refused', async (subject) => {
    const [, serial = ''] = (await certId(subject)).split('.');
    refused('the question', await ask(subject, `aYhba4dGQEHhs3uEe6CuLN4ByNQ.${serial}`));
  }),
  should('RFC 9773 §4.1', 'an unknown certificate is answered with 404', async (subject) => {
    const [issuer = ''] = (await certId(subject)).split('.');
    const answer = await ask(subject, `${issuer}.AIdlQyE`);
    hold(answer.status === 404, `the answer is ${show(answer)}`);
  }),
  must('RFC 9773 §4.2', 'suggestedWindow has a start and an end after it', async (subject) => {
    const { start, end } = await suggested(subject);
    hold(start < end, `the window is ${start.toISOString()} to ${end.toISOString()}`);
  }),
  must('RFC 9773 §4.2', 'explanationURL, where there is one, is a URL', async (subject) => {
    const url = objectOf(await renewalInfo(subject))['explanationURL'];
    hold(url === undefined || (typeof url === 'string' && URL.canParse(url)), `it is ${JSON.stringify(url)}`);
  }),
  must('RFC 9773 §4.3', 'the answer says when to ask again', async (subject) => {
    const after = (await renewalInfo(subject)).headers['retry-after'];
    hold(after !== undefined && (/^\d+$/.test(after) || !Number.isNaN(Date.parse(after))), `Retry-After is ${after ?? 'absent'}`);
  }),
];
