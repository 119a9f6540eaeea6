import { createHash, generateKeyPairSync } from 'node:crypto';
import { toPem } from '#domain/x509/pem.ts';
import { alternativeNames, dns, make, type Made } from '../pki/made-certificate.ts';

/** A leaf with its chain and key, as a deployment gets them. */
export interface Issued {
  readonly leafPem: string;
  readonly chainPem: string;
  readonly privateKeyPem: string;
  readonly fingerprint: string;
}

const day = 86_400_000;
const notBefore = new Date(Date.now() - day);
const notAfter = new Date(Date.now() + 365 * day);
const root = make({ subject: 'Root', ca: {}, notBefore, notAfter });
const intermediate = make({ subject: 'Intermediate', issuer: root, ca: { pathLength: 0 }, notBefore, notAfter });

export const rootPem = toPem('CERTIFICATE', root.der);
export const serverName = 'site.example.org';

/** A certificate for {@link serverName} with a key of its own. */
export function issued(kind: 'ec' | 'rsa' = 'ec', until = notAfter): Issued {
  const key = kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const leaf = make({
    subject: serverName,
    issuer: intermediate,
    key,
    notBefore: new Date(Math.min(notBefore.getTime(), until.getTime() - day)),
    notAfter: until,
    extensions: [alternativeNames(dns(serverName))],
  });
  return {
    leafPem: toPem('CERTIFICATE', leaf.der),
    chainPem: toPem('CERTIFICATE', intermediate.der),
    privateKeyPem: pkcs8(leaf),
    fingerprint: createHash('sha256').update(leaf.der).digest('hex'),
  };
}

function pkcs8({ key }: Made): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
