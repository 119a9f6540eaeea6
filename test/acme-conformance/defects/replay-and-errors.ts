import {
  accountUrls,
  answering,
  anywhere,
  at,
  overlooking,
  renaming,
  withHeaders,
  without,
  withObject,
  type Defect,
  type Serve,
} from './defective.ts';

const urn = (name: string): string => `urn:ietf:params:acme:error:${name}`;
const s65 = (...titles: readonly string[]): string[] => titles.map((title) => `RFC 8555 §6.5 ${title}`);
const s67 = (title: string): string[] => [`RFC 8555 §6.7 ${title}`];

function spentTwice(): Serve {
  const spent = new Set<unknown>();
  return overlooking(anywhere, (request, server, { header }) => {
    const again = spent.has(header['nonce']);
    spent.add(header['nonce']);
    return again ? server.repaired(request, {}) : undefined;
  });
}

/** Two requests that come together with one nonce both pass. */
function racing(): Serve {
  const flying = new Map<unknown, number>();
  return async (request, server) => {
    const nonce = server.signed(request)?.header['nonce'];
    const together = flying.get(nonce) ?? 0;
    flying.set(nonce, together + 1);
    try {
      return await (together > 0 && nonce !== undefined ? server.repaired(request, {}) : server.forward(request));
    } finally {
      flying.set(nonce, (flying.get(nonce) ?? 1) - 1);
    }
  };
}

/** Whoever asks while another asks is given the same nonce. */
function sharing(): Serve {
  let flying: ReturnType<Serve> | undefined;
  return (request, server) => {
    if (request.method !== 'HEAD') return server.forward(request);
    flying ??= server.forward(request).finally(() => (flying = undefined));
    return flying;
  };
}

/** Nonces that it never gave are good, too. */
function inventing(): Serve {
  const given = new Set<unknown>();
  return async (request, server) => {
    const nonce = server.signed(request)?.header['nonce'];
    const known = nonce === undefined || given.has(nonce);
    const answer = await (known ? server.forward(request) : server.repaired(request, {}));
    given.add(answer.headers['replay-nonce']);
    return answer;
  };
}

const withoutNonce = (isSuch: (status: number, body: string) => boolean): Serve =>
  answering(
    ({ method }) => method === 'POST',
    (answer) => (isSuch(answer.status, answer.body) ? withHeaders(answer, { 'replay-nonce': undefined }) : answer),
  );

export const replayAndErrorDefects: readonly Defect[] = [
  {
    what: 'a nonce may be spent again',
    caught: s65('a nonce is refused the second time', 'of simultaneous requests with one nonce at most one succeeds'),
    serve: spentTwice(),
  },
  {
    what: 'a nonce may be spent twice at once',
    caught: s65('of simultaneous requests with one nonce at most one succeeds'),
    serve: racing(),
  },
  {
    what: 'a nonce is not wanted',
    caught: s65('a request without a nonce is refused'),
    serve: overlooking(anywhere, (request, server, { header }) => ('nonce' in header ? undefined : server.repaired(request, {}))),
  },
  {
    what: 'any nonce is good',
    caught: s65('a nonce that the server never gave is refused'),
    among: ['§6.5 a nonce that', '§6.5 a request', '§6.5 badNonce'],
    serve: inventing(),
  },
  { what: 'badNonce is a conflict', caught: s65('badNonce is answered with 400'), serve: renaming(anywhere, 'badNonce', 'badNonce', 409) },
  {
    what: 'badNonce bears no nonce',
    caught: s65('badNonce bears a fresh nonce that is taken'),
    serve: withoutNonce((_, body) => body.includes(urn('badNonce'))),
  },
  {
    what: 'success bears no nonce',
    caught: s65('a successful answer to a POST bears a nonce'),
    serve: withoutNonce((status) => status < 300),
  },
  {
    what: 'refusals bear no nonce',
    caught: s65('a refusal bears a nonce'),
    serve: withoutNonce((status, body) => status >= 400 && !body.includes(urn('badNonce'))),
  },
  {
    what: 'nonces are padded',
    caught: ['RFC 8555 §6.5.1 nonces are base64url'],
    serve: async (request, server) => {
      const signed = server.signed(request);
      const nonce = signed?.header['nonce'];
      const answer =
        signed !== undefined && typeof nonce === 'string' && nonce.endsWith('=')
          ? await server.repaired(request, { header: { ...signed.header, nonce: nonce.replace(/=+$/, '') } }, true)
          : await server.forward(request);
      const given = answer.headers['replay-nonce'];
      return given === undefined ? answer : withHeaders(answer, { 'replay-nonce': `${given}=` });
    },
  },
  { what: 'who asks at the same time is given the same nonce', caught: s65('no nonce is given twice'), serve: sharing() },
  {
    what: 'refusals are plain JSON',
    caught: s67('refusals are problem documents'),
    serve: answering(anywhere, (answer) => (answer.status >= 400 ? withHeaders(answer, { 'content-type': 'application/json' }) : answer)),
  },
  {
    what: 'an error has a type of its own',
    caught: s67('error types are those of the registry'),
    serve: renaming(at('/new-order'), 'unsupportedIdentifier', 'strangeIdentifier'),
  },
  {
    what: 'refusals have no words',
    caught: s67('refusals say in words what is wrong'),
    serve: answering(anywhere, (answer) => (answer.status >= 400 ? withObject(answer, (object) => without(object, 'detail')) : answer)),
  },
  {
    what: 'problem documents say 200',
    caught: s67('the status member, where there is one, is the status of the answer'),
    serve: answering(anywhere, (answer) => (answer.status >= 400 ? withObject(answer, (object) => ({ ...object, status: 200 })) : answer)),
  },
  {
    what: 'an unknown kid is unauthorized',
    caught: s67('a kid that names no account is accountDoesNotExist'),
    serve: renaming(accountUrls, 'accountDoesNotExist', 'unauthorized'),
  },
  {
    what: 'broken JSON is a bad signature',
    caught: s67('a payload that is no JSON is malformed'),
    serve: renaming(at('/new-account'), 'malformed', 'unauthorized'),
  },
  {
    what: 'subproblems do not say whose they are',
    caught: ['RFC 8555 §6.7.1 each subproblem names its type and identifier'],
    serve: subproblems((part) => without(part, 'identifier')),
  },
  {
    what: 'subproblems have subproblems',
    caught: ['RFC 8555 §6.7.1 subproblems have no subproblems'],
    serve: subproblems((part) => ({ ...part, subproblems: [part] })),
  },
];

function subproblems(change: (part: Record<string, unknown>) => object): Serve {
  return answering(at('/new-order'), (answer) =>
    withObject(answer, (object) =>
      Array.isArray(object['subproblems'])
        ? { ...object, subproblems: (object['subproblems'] as Record<string, unknown>[]).map(change) }
        : object,
    ),
  );
}
