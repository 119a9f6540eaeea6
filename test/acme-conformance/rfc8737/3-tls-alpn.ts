import { isProven, isRefuted, tried } from '../attempt.ts';
import { must, slow, type Case } from '../case.ts';
import type { ChallengeCertificateOptions } from '../challenge-certificate.ts';
import { hold } from '../verdict.ts';

const clause = 'RFC 8737 §3';

/** A challenge certificate that is not right. */
function wrong(title: string, tls: (name: string) => Partial<ChallengeCertificateOptions>): Case {
  return slow(
    must(clause, title, async (subject) =>
      isRefuted(await tried(subject, 'tls-alpn-01', ({ identifier }) => ({ tls: tls(identifier.value) }))),
    ),
  );
}

export const tlsAlpn: readonly Case[] = [
  must(clause, 'tls-alpn-01 with the right certificate proves a name', async (subject) => isProven(await tried(subject, 'tls-alpn-01'))),
  must(clause, 'the handshake names the name and offers acme-tls/1 alone', async (subject) => {
    const { challenge } = await tried(subject, 'tls-alpn-01');
    const visit = subject.tls?.visits.find(({ serverName }) => serverName === challenge.identifier.value);
    hold(visit !== undefined, `nobody asked for ${challenge.identifier.value}`);
    hold(visit.protocols.join() === 'acme-tls/1', `the protocols were ${visit.protocols.join(', ')}`);
  }),
  wrong('the digest of another key authorization proves nothing', () => ({ keyAuthorization: 'something else' })),
  wrong('a certificate without the acmeIdentifier extension proves nothing', () => ({ omit: true })),
  wrong('an acmeIdentifier extension that is not critical proves nothing', () => ({ critical: false })),
  wrong('a certificate with a further name proves nothing', (name) => ({
    names: [
      { type: 'dns', value: name },
      { type: 'dns', value: `more.${name}` },
    ],
  })),
  wrong('a certificate for another name proves nothing', (name) => ({ names: [{ type: 'dns', value: `other.${name}` }] })),
];
