import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import type { AgentState } from '#adapters/dynamodb/agent-states.ts';
import { signRequest } from '#domain/agent/message-signature.ts';
import type { HttpRequest } from '../shared/http.ts';
import { agentAuthentication } from './agent-authentication.ts';

const nowMs = 1_790_000_000_000;
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = publicKey.export({ format: 'der', type: 'spki' });
const signed = (key = privateKey): HttpRequest => {
  const request = { method: 'POST', path: '/api/v1/agents/agent-1/heartbeat', query: '', body: Buffer.from('{}') };
  return { ...request, headers: signRequest(request, key, 'agent-1', nowMs / 1000), sourceIp: '127.0.0.1' } as unknown as HttpRequest;
};
const world = (): { reads: number; state: AgentState; agentOf: ReturnType<typeof agentAuthentication> } => {
  const made = {
    reads: 0,
    state: { publicKey: spki, name: 'a', retired: false, seq: 1, drainedSeq: 0, nextDue: 0, facts: '' } as AgentState,
    agentOf: undefined as never as ReturnType<typeof agentAuthentication>,
  };
  const read = (): Promise<AgentState> => {
    made.reads += 1;
    return Promise.resolve(made.state);
  };
  made.agentOf = agentAuthentication({ states: { read }, now: () => nowMs });
  return made;
};

test('an agent is looked up once for all the calls that may remember it, and anew for every other', async () => {
  const here = world();
  for (let i = 0; i < 3; i++) expect(await here.agentOf(signed(), 'agent-1', true)).toMatchObject({ id: 'agent-1', name: 'a' });
  expect(here.reads).toBe(1);
  here.state = { ...here.state, retired: true };
  await expect(here.agentOf(signed(), 'agent-1', false)).rejects.toMatchObject({ code: 'gone' });
  expect(here.reads).toBe(2);
});

test('what is remembered proves nothing: another key, and another agent’s path, are refused', async () => {
  const here = world();
  await here.agentOf(signed(), 'agent-1', true);
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  await expect(here.agentOf(signed(other), 'agent-1', true)).rejects.toMatchObject({ code: 'unauthenticated' });
  await expect(here.agentOf(signed(), 'agent-2', true)).rejects.toMatchObject({ code: 'unauthorized' });
});

test('an agent that has another key by now is looked up anew', async () => {
  const here = world();
  await here.agentOf(signed(), 'agent-1', true);
  const next = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  here.state = { ...here.state, publicKey: next.publicKey.export({ format: 'der', type: 'spki' }) };
  expect(await here.agentOf(signed(next.privateKey), 'agent-1', true)).toMatchObject({ id: 'agent-1' });
  await expect(here.agentOf(signed(), 'agent-1', true)).rejects.toMatchObject({ code: 'unauthenticated' });
});
