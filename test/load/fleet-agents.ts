import { createPublicKey, generateKeyPair, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { makeCsr } from '#domain/agent/make-csr.ts';
import { signRequest } from '#domain/agent/message-signature.ts';
import { toPem } from '#domain/x509/pem.ts';
import type { WorkItemBody } from '#contract/agent-protocol.ts';
import { exchange, openConnections } from '../../clients/agent/exchange.ts';
import { pause, spread } from '../../clients/agent/pause.ts';
import { hostFacts } from '../lifecycle/signed-agent.ts';

// Some thousand agents in a process of their own: real keys, real signatures, the pace that the platform says. No host is behind them: what they are given to deploy they report as served.

/** What the bench tells the process. */
export type Order =
  | {
      readonly do: 'enrol';
      readonly url: string;
      readonly ca: string;
      readonly token: string;
      readonly prefix: string;
      readonly count: number;
    }
  /** Begins the agents' rhythms, spread over so many seconds. */
  | { readonly do: 'live'; readonly within: number }
  /** All have lost their connections, and come back within so many seconds. */
  | { readonly do: 'storm'; readonly within: number }
  /** What was measured since the last time. */
  | { readonly do: 'figures' }
  | { readonly do: 'end' };

export interface Figures {
  /** Milliseconds of every answered request, by its kind. */
  readonly times: Readonly<Record<string, readonly number[]>>;
  /** Requests that failed or were refused, by what was said. */
  readonly errors: Readonly<Record<string, number>>;
  readonly deployed: number;
}

interface Agent {
  readonly id: string;
  readonly key: KeyObject;
}
/** Until the signal. */
interface Living extends Agent {
  readonly life: AbortSignal;
}
interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const generate = promisify(generateKeyPair);
const agents: Agent[] = [];
let url = '';
let ca = '';
let connections = openConnections({ ca: null, maxSockets: 1 });
let times: Record<string, number[]> = {};
let errors: Record<string, number> = {};
let deployed = 0;
let life = new AbortController();

/** @param body made anew when it is sent a second time */
async function send(
  method: string,
  path: string,
  key: KeyObject,
  keyId: string,
  body: (again: boolean) => string,
  more: Record<string, string> = {},
): Promise<Answer> {
  const heard = await exchange(connections, 30_000, (again) => {
    const text = body(again);
    const signed = { method, path, query: '', body: Buffer.from(text) };
    const headers = {
      ...(text !== '' && { 'content-type': 'application/json' }),
      ...more,
      ...signRequest(signed, key, keyId, Math.floor(Date.now() / 1000)),
    };
    return { method, url: new URL(url + path), headers, body: signed.body };
  });
  return { status: heard.status, body: JSON.parse(heard.text) as Answer['body'] };
}

/** A request whose time and failure count; undefined when it failed. */
async function call(
  kind: string,
  { id, key, life }: Living,
  method: string,
  below: string,
  body?: (again: boolean) => object,
): Promise<Answer['body'] | undefined> {
  const began = performance.now();
  try {
    const said = (again: boolean): string => (body === undefined ? '' : JSON.stringify(body(again)));
    const answer = await send(method, `/api/v1/agents/${id}/${below}`, key, id, said);
    (times[kind] ??= []).push(performance.now() - began);
    if (answer.status < 300) return answer.body;
    count(`${kind}: ${answer.status} ${String(answer.body['detail'])}`);
  } catch (error) {
    // Its connection was cut on purpose.
    if (!life.aborted) count(`${kind}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
  }
  return undefined;
}

function count(error: string): void {
  errors[error] = (errors[error] ?? 0) + 1;
}

/** False when a request failed: the job is to be done again. */
async function perform(agent: Living, item: WorkItemBody): Promise<boolean> {
  const { lease_token, job_id } = item;
  if (item.type === 'csr') {
    const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
    const names = item.sans.map(({ type, value }) => ({ type, value }));
    const csr = makeCsr(privateKey, { commonName: item.common_name ?? undefined, names, mustStaple: item.must_staple });
    const body = { lease_token, csr: toPem('CERTIFICATE REQUEST', csr) };
    return (await call('csr', agent, 'POST', `jobs/${job_id}/csr`, () => body)) !== undefined;
  } else if ('version_id' in item) {
    const picked = await call('pick-up', agent, 'GET', `certificates/${item.version_id}`);
    if (picked === undefined) return false;
    const report = { lease_token, ok: true, observed_fingerprint: picked['fingerprint'] };
    if ((await call('report', agent, 'POST', `jobs/${job_id}/report`, () => report)) === undefined) return false;
    deployed += 1;
  }
  return true;
}

/** An agent's life until the signal: heartbeats and polls, each in the rhythm that the platform says, the first of them within so many seconds. */
function live(agent: Living, within: number): void {
  const { life: signal } = agent;
  const rhythm = async (act: () => Promise<unknown>): Promise<void> => {
    await pause(within * 1000 * Math.random(), signal);
    while (!signal.aborted) await pause(spread(Number((await act()) ?? 60), Math.random()), signal);
  };
  void rhythm(async () => (await call('heartbeat', agent, 'POST', 'heartbeat', () => hostFacts()))?.['next_heartbeat_seconds']);
  let unsure = true;
  void rhythm(async () => {
    // What was lost comes again, as it does to the agent.
    let sentTwice = false;
    const answer = await call('poll', agent, 'POST', 'work', (again) => {
      sentTwice ||= again;
      return { limit: 4, ...((unsure || again) && { holding: [] }) };
    });
    const jobs = (answer?.['jobs'] ?? []) as readonly WorkItemBody[];
    unsure = answer === undefined || sentTwice;
    for (const item of jobs) unsure = !(await perform(agent, item)) || unsure;
    // As the agent does when a job has ended.
    return jobs.length > 0 ? 0 : answer?.['next_poll_seconds'];
  });
}

function begin(within: number): void {
  life.abort();
  life = new AbortController();
  connections.close();
  connections = openConnections({ ca, maxSockets: Infinity });
  for (const agent of agents) live({ ...agent, life: life.signal }, within);
}

async function enrol(order: Extract<Order, { do: 'enrol' }>): Promise<readonly string[]> {
  ({ url, ca } = order);
  connections = openConnections({ ca, maxSockets: 8 });
  let next = 0;
  const one = async (): Promise<void> => {
    for (let n = next++; n < order.count; n = next++) {
      const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const public_key = createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('base64');
      const body = JSON.stringify({ name: `${order.prefix}-${n}`, public_key, ...hostFacts() });
      const header = { 'x-enrolment-token': order.token };
      const answer = await send('POST', '/api/v1/agents/enrol', key, 'enrol', () => body, header);
      if (answer.status !== 201) throw new Error(`not enrolled: ${answer.status} ${JSON.stringify(answer.body)}`);
      agents.push({ id: String(answer.body['agent_id']), key });
    }
  };
  await Promise.all(Array.from({ length: 8 }, one));
  return agents.map(({ id }) => id);
}

// Whatever ended the bench.
process.on('disconnect', () => process.exit());
process.on('message', (order: Order) => {
  switch (order.do) {
    case 'enrol':
      void enrol(order).then((ids) => process.send?.(ids));
      break;
    case 'live':
    case 'storm':
      begin(order.within);
      break;
    case 'figures':
      process.send?.({ times, errors, deployed } satisfies Figures);
      [times, errors, deployed] = [{}, {}, 0];
      break;
    case 'end':
      life.abort();
      connections.close();
      process.disconnect();
  }
});
