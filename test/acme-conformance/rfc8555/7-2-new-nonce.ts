import { must, type Case } from '../case.ts';
import { resource } from '../client.ts';
import type { Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { hold, show } from '../verdict.ts';

const clause = 'RFC 8555 §7.2';

function ask({ connection }: Subject, method: 'HEAD' | 'GET'): Promise<HttpAnswer> {
  return connection.transport({ url: resource(connection, 'newNonce'), method, headers: {} });
}

export const newNonce: readonly Case[] = [
  must(clause, 'HEAD is answered with 200', async (subject) => {
    const answer = await ask(subject, 'HEAD');
    hold(answer.status === 200, `HEAD is answered with ${show(answer)}`);
  }),
  must(clause, 'GET is answered with 204', async (subject) => {
    const answer = await ask(subject, 'GET');
    hold(answer.status === 204, `GET is answered with ${show(answer)}`);
  }),
  must(clause, 'both bear a nonce', async (subject) => {
    for (const method of ['HEAD', 'GET'] as const) {
      hold((await ask(subject, method)).headers['replay-nonce'] !== undefined, `${method} gives no Replay-Nonce`);
    }
  }),
  must(clause, 'no cache may keep the answer', async (subject) => {
    for (const method of ['HEAD', 'GET'] as const) {
      const control = (await ask(subject, method)).headers['cache-control'] ?? 'absent';
      hold(/(^|[\s,])no-store($|[\s,])/i.test(control), `Cache-Control of ${method} is ${control}`);
    }
  }),
];
