import { present } from '../proof.ts';
import type { HttpRequest } from '../transport.ts';
import type { JsonObject } from '../verdict.ts';
import type { ZoneRecord } from '../zone.ts';
import { accountUri } from '../drafts/dns-persist.ts';
import {
  answering,
  at,
  authorizations,
  challenges,
  objects,
  overlooking,
  withObject,
  type Defect,
  type Serve,
  type Server,
} from './defective.ts';
import { challengeAt } from './validation.ts';

const label = (title: string): string[] => [`draft-ietf-acme-dns-account-label §3 ${title}`];
const persist = (section: string, title: string): string[] => [`draft-ietf-acme-dns-persist §${section} ${title}`];

const textsAt = ({ subject }: Server, name: string): readonly string[] =>
  (subject.zone?.records.get(name) ?? []).flatMap((record: ZoneRecord) => (record.type === 'TXT' ? [record.data] : []));

/** Finds fault with names whose records are such. */
function rejecting(isSuch: (texts: readonly string[], name: string, server: Server, request: HttpRequest) => boolean): Serve {
  return async (request, server) => {
    const answer = await server.forward(request);
    if (!authorizations(request)) return answer;
    return withObject(answer, (object) => {
      const { value = '' } = (object['identifier'] ?? {}) as { readonly value?: string };
      const isWrong = object['status'] === 'valid' && isSuch(textsAt(server, `_validation-persist.${value}`), value, server, request);
      return isWrong ? { ...object, status: 'invalid' } : object;
    });
  };
}

/** Takes a record that is such for the right one. */
function believing(isSuch: (text: string) => boolean): Serve {
  return overlooking(challenges, async (request, server, signed) => {
    // Who has changed the key meanwhile cannot be read for.
    const isReadable = server.keyOf(String(signed.header['kid']))?.thumbprint === signed.key.thumbprint;
    if (signed.payload === '' || !request.url.endsWith('.dns-persist-01') || !isReadable) return server.forward(request);
    const challenge = await challengeAt(request, server, 'dns-persist-01');
    const at = `_validation-persist.${challenge.identifier.value}`;
    if (textsAt(server, at).some(isSuch)) {
      const uri = accountUri(server.subject, { connection: server.subject.connection, kid: challenge.account, key: signed.key }, '*');
      server.subject.zone?.records.set(at, [{ type: 'TXT', data: `ca.example; accounturi=${uri}; policy=wildcard` }]);
    }
    return server.forward(request);
  });
}

const issuers = (change: (names: readonly string[]) => readonly string[]): Serve =>
  objects(authorizations, (object) => ({
    ...object,
    challenges: (object['challenges'] as JsonObject[]).map((challenge) =>
      challenge['type'] === 'dns-persist-01'
        ? { ...challenge, issuerDomainNames: change(challenge['issuerDomainNames'] as readonly string[]) }
        : challenge,
    ),
  }));

export const draftDefects: readonly Defect[] = [
  {
    what: 'dns-account-01 never finds a record',
    caught: label('dns-account-01 with the digest at the account’s label proves a name'),
    serve: async (request, server) => {
      const answer = await server.forward(request);
      if (!authorizations(request)) return answer;
      return withObject(answer, (object) => {
        const { value = '' } = (object['identifier'] ?? {}) as { readonly value?: string };
        const labelled = [...(server.subject.zone?.records.keys() ?? [])].some(
          (name) => /^_[a-z2-7]{16}\./.test(name) && name.endsWith(value),
        );
        return object['status'] === 'valid' && labelled ? { ...object, status: 'invalid' } : object;
      });
    },
  },
  {
    what: 'dns-account-01 asks where dns-01 does',
    caught: label('dns-account-01 asks for TXT records at the account’s label below _acme-challenge'),
    serve: async (request, server) => {
      const answer = await server.forward(request);
      const { zone } = server.subject;
      zone?.asked.splice(0, zone.asked.length, ...zone.asked.map((question) => question.replace(/_[a-z2-7]{16}\._acme/, '_acme')));
      return answer;
    },
  },
  {
    what: 'dns-account-01 takes the record of any account',
    caught: label('the digest at the label of another account proves nothing'),
    serve: overlooking(challenges, async (request, server, signed) => {
      if (signed.payload !== '' && request.url.endsWith('.dns-account-01'))
        await present(server.subject, await challengeAt(request, server, 'dns-account-01'));
      return server.forward(request);
    }),
  },
  {
    what: 'issuers are in capitals',
    caught: persist('3.1', 'a challenge names one to ten issuers, in lower case, without a dot at the end'),
    among: ['dns-persist §3.1'],
    serve: issuers((names) => names.map((name) => name.toUpperCase())),
  },
  {
    what: 'a challenge names eleven issuers',
    caught: persist('3.1', 'a challenge names one to ten issuers, in lower case, without a dot at the end'),
    serve: issuers((names) => [...names, ...Array.from({ length: 10 }, (_, index) => `ca${index}.example`)]),
  },
  {
    what: 'the directory names an issuer that no challenge does',
    caught: persist('3.2', 'the directory has issuers, each of which is in every challenge'),
    serve: objects(at('/directory'), (object) => {
      const meta = object['meta'] as JsonObject;
      return { ...object, meta: { ...meta, issuerDomainNames: ['elsewhere.example', ...(meta['issuerDomainNames'] as string[])] } };
    }),
  },
  {
    what: 'accounts are hashed without the name',
    caught: persist('4.1', 'a record with the hashed account of the name proves it'),
    // The other cases hash as this one does.
    among: ['a record with the hashed account'],
    serve: rejecting((texts) => texts.some((text) => /accounturi=\S+$/.test(text))),
  },
  {
    what: 'a record is for one name only, or is stumbled over for a parameter that nobody knows',
    caught: persist('4.1', 'a record with the hashed account of every name proves one'),
    serve: rejecting((texts) => texts.some((text) => text.includes('unheard-of'))),
  },
  {
    what: 'an authorization outlives its record',
    caught: persist('4.1', 'the authorization ends no later than the record’s persistUntil'),
    serve: answering(authorizations, (answer) =>
      withObject(answer, (object) => ({ ...object, expires: new Date(Date.now() + 30 * 86_400_000).toISOString() })),
    ),
  },
  {
    what: 'former keys of an account are forgotten',
    caught: persist('4.2', 'a record with a former key of the account proves a name'),
    serve: forgettingKeys(),
  },
  {
    what: 'wildcards are not proven by a record that stands',
    caught: persist('5.1', 'a record with policy=wildcard proves a wildcard'),
    serve: rejecting((texts) => texts.some((text) => text.includes('policy=wildcard'))),
  },
  {
    what: 'every record proves wildcards',
    caught: persist('5.1', 'a record without policy=wildcard proves no wildcard'),
    serve: believing((text) => /accounturi=\S+$/.test(text)),
  },
  {
    what: 'the account of a record is not looked at',
    caught: persist('4.1', 'a record with another account proves nothing'),
    serve: believing((text) => /^ca\.example; accounturi=\S+$/.test(text)),
  },
  {
    what: 'the issuer of a record is not looked at',
    caught: persist('4.1', 'a record with another issuer proves nothing'),
    serve: believing((text) => text.startsWith('another-issuer.example')),
  },
  {
    what: 'a record proves for ever',
    caught: persist('4.1', 'a record whose persistUntil has passed proves nothing'),
    serve: believing((text) => Number(/persistUntil=(\d+)/.exec(text)?.[1]) * 1000 < Date.now()),
  },
];

/** Accounts that have changed their key prove nothing by records any more. */
function forgettingKeys(): Serve {
  const changed = new Set<unknown>();
  const serve = rejecting((texts, _, server, request) => texts.length > 0 && changed.has(server.signed(request)?.header['kid']));
  return async (request, server) => {
    if (request.url.endsWith('/key-change')) changed.add(server.signed(request)?.header['kid']);
    return serve(request, server);
  };
}
