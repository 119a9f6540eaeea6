import { loadFunction } from '#infra/local/copy/runtime.ts';
import type { PlannedFunction } from '#infra/local/plan.ts';

/** One request, as the front would hand it over. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

/** What the process is told: first which function it is. */
export type ToLone =
  | { readonly type: 'load'; readonly spec: PlannedFunction; readonly environment: Readonly<Record<string, string>> }
  | { readonly type: 'ask'; readonly asked: Asked }
  /** Asks the whole list in turn, `warm` times unmeasured and `count` times measured. */
  | { readonly type: 'repeat'; readonly asked: readonly Asked[]; readonly warm: number; readonly count: number };

export type FromLone =
  | { readonly type: 'loaded' }
  | { readonly type: 'answer'; readonly status: number; readonly body: string; readonly milliseconds: number }
  | { readonly type: 'times'; readonly milliseconds: readonly number[] }
  | { readonly type: 'failed'; readonly reason: string };

interface Answer {
  readonly statusCode: number;
  readonly body?: string;
}

/** One function alone in a process, which serves one request after the other, as an instance of Lambda does. */
let invoke: (event: unknown) => Promise<unknown> = () => Promise.reject(new Error('nothing is loaded'));

process.on('disconnect', () => process.exit(0));
process.on('message', (message: ToLone) => {
  served(message).then(
    (said) => void process.send?.(said),
    (error: unknown) => void process.send?.({ type: 'failed', reason: String(error) } satisfies FromLone),
  );
});

async function served(message: ToLone): Promise<FromLone> {
  switch (message.type) {
    case 'load': {
      const loaded = loadFunction(message.spec, message.environment);
      invoke = (event) => loaded.invoke(event);
      return { type: 'loaded' };
    }
    case 'ask': {
      const { answer, milliseconds } = await timed(message.asked);
      return { type: 'answer', status: answer.statusCode, body: answer.body ?? '', milliseconds };
    }
    case 'repeat': {
      const times: number[] = [];
      for (let i = 0; i < message.warm + message.count; i++) {
        const asked = message.asked[i % message.asked.length];
        if (asked === undefined) throw new Error('there is nothing to ask');
        const { answer, milliseconds } = await timed(asked);
        if (answer.statusCode >= 300) throw new Error(`${asked.method} ${asked.path}: ${answer.statusCode} ${answer.body ?? ''}`);
        if (i >= message.warm) times.push(milliseconds);
      }
      return { type: 'times', milliseconds: times };
    }
  }
}

async function timed(asked: Asked): Promise<{ readonly answer: Answer; readonly milliseconds: number }> {
  const event = eventOf(asked);
  const began = performance.now();
  const answer = (await invoke(event)) as Answer;
  return { answer, milliseconds: performance.now() - began };
}

/** Payload format 2.0. */
function eventOf({ method, path, headers, body }: Asked): object {
  const [rawPath = '/', rawQueryString = ''] = path.split('?');
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString,
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    requestContext: {
      http: { method, path: rawPath, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'bench' },
      requestId: 'bench',
      routeKey: '$default',
      stage: '$default',
    },
    ...(body && { body: JSON.stringify(body) }),
    isBase64Encoded: false,
  };
}
